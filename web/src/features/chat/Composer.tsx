import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type RefObject } from 'react'
import type { Client } from '../../client/client'
import { indexOf } from '../../client/room'
import type { Store } from '../../client/store'
import { codePoints, shownName } from '../../shared/format'
import { texts } from '../../shared/texts'
import { Icon } from '../../shared/ui/Icon'
import { Popover } from '../../shared/ui/Popover'
import { useSnapshot } from '../../shared/useSnapshot'
import styles from './Composer.module.css'
import { loadDraft, saveDraft } from './drafts'
import { EmojiGrid } from './EmojiGrid'
import { insert, toggleMark, type Selected } from './markup'
import { textLimit, textProblem } from './textProblem'

const marks: Record<string, string> = { b: '**', i: '*', e: '`' }

/** Writes a message: Enter sends, Shift+Enter begins a line. */
export function Composer({ client, store, room, reply, field, onReply, onEditLast, onSent }: {
  client: Client; store: Store; room: string
  /** The seq of the message that is answered. */
  reply: number | null
  field: RefObject<HTMLTextAreaElement | null>
  onReply: (seq: number | null) => void
  onEditLast: () => boolean
  onSent: () => void
}) {
  const [text, setText] = useState(() => loadDraft(store, room))
  const [full, setFull] = useState(false)
  const selection = useRef<Selected | null>(null)
  const problem = textProblem(text)
  const length = text.length > textLimit - 400 ? codePoints(text) : 0

  useEffect(() => {
    const timer = setTimeout(() => { saveDraft(store, room, text) }, 300)
    return () => { clearTimeout(timer); saveDraft(store, room, text) }
  }, [store, room, text])
  useLayoutEffect(() => {
    if (selection.current) field.current?.setSelectionRange(selection.current.start, selection.current.end)
    selection.current = null
  })
  const change = (next: string) => {
    setText(next)
    client.typing(next.trim() !== '')
  }
  const apply = (edit: (selected: Selected) => Selected) => {
    const area = field.current
    if (!area) return
    selection.current = edit({ text, start: area.selectionStart, end: area.selectionEnd })
    change(selection.current.text)
    area.focus()
  }
  const send = () => {
    if (text.trim() === '' || problem !== '') return
    const taken = client.say(text, reply ?? undefined)
    setFull(!taken)
    if (!taken) return
    setText('')
    client.typing(false)
    onReply(null)
    onSent()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return
    const mark = event.ctrlKey || event.metaKey ? marks[event.key.toLowerCase()] : undefined
    if (mark !== undefined) apply((selected) => toggleMark(selected, mark))
    else if (event.key === 'Enter' && !event.shiftKey) send()
    else if (event.key === 'Escape') { onReply(null); onSent() }
    else if (event.key !== 'ArrowUp' || text !== '' || event.altKey || !onEditLast()) return
    event.preventDefault()
  }
  return (
    <form className={styles.composer} onSubmit={(event) => { event.preventDefault(); send() }}>
      {reply !== null && <Replying client={client} seq={reply} onStop={() => { onReply(null); field.current?.focus() }} />}
      <div className={styles.line}>
        <textarea ref={field} aria-label={texts.composer.label} placeholder={texts.composer.placeholder(room)} rows={1} value={text} dir="auto"
          onChange={(event) => { change(event.target.value) }} onKeyDown={onKeyDown} onBlur={() => { client.typing(false) }} />
        <Popover label={texts.composer.emoji} className="quiet icon" face={<Icon name="smile" />}>
          {(close) => <EmojiGrid label={(emoji) => emoji} onPick={(emoji) => { close(); apply((selected) => insert(selected, emoji)) }} />}
        </Popover>
        <button type="submit" className="main" disabled={text.trim() === '' || problem !== ''}>{texts.composer.send}</button>
      </div>
      <p className={styles.note}>
        {(problem !== '' || full) && <span role="alert">{problem || texts.composer.full}</span>}
        {problem === '' && length > textLimit - 200 && <span>{texts.composer.left(textLimit - length)}</span>}
      </p>
    </form>
  )
}

function Replying({ client, seq, onStop }: { client: Client; seq: number; onStop: () => void }) {
  const message = useSnapshot(client, (s) => s.messages[indexOf(s.messages, seq)])
  return (
    <p className={styles.reply}>
      <span>{texts.composer.replying(message ? shownName(message.user) : texts.messages.unknownQuote)}</span>
      <button type="button" className="quiet icon" aria-label={texts.composer.stopReply} onClick={onStop}><Icon name="close" size={16} /></button>
    </p>
  )
}
