import { useCallback, useEffect, useRef, useState, type ReactNode } from 'react'
import type { Client } from '../../client/client'
import type { Store } from '../../client/store'
import { shownName } from '../../shared/format'
import { texts } from '../../shared/texts'
import { Icon } from '../../shared/ui/Icon'
import { useSnapshot } from '../../shared/useSnapshot'
import { Banner } from './Banner'
import styles from './Chat.module.css'
import { Composer } from './Composer'
import { Messages, type MessagesHandle } from './Messages'
import { Pill } from './Pill'

/** A room: head, connection, messages, composer. */
export function Chat({ client, store, menu, people, onDiagnose }: {
  client: Client; store: Store
  /** Buttons that open what does not fit beside the chat. */
  menu: ReactNode
  people: ReactNode
  onDiagnose: () => void
}) {
  const room = useSnapshot(client, (s) => s.room)
  const topic = useSnapshot(client, (s) => s.topic)
  return (
    <section className={styles.chat} aria-label={texts.messages.region(room)}>
      <header className={styles.head}>
        {menu}
        <h1 className={styles.room}><span aria-hidden="true">#</span>{room}</h1>
        <p className={styles.topic} title={topic}><bdi>{topic}</bdi></p>
        <Pill client={client} />
        <button type="button" className={styles.diagnose} aria-label={texts.diagnostics.run} onClick={onDiagnose}>
          <Icon name="pulse" size={16} /><span>{texts.diagnostics.run}</span>
        </button>
        {people}
      </header>
      <Banner client={client} store={store} onDiagnose={onDiagnose} />
      <RoomView key={room} client={client} store={store} room={room} />
    </section>
  )
}

function RoomView({ client, store, room }: { client: Client; store: Store; room: string }) {
  const [reply, setReply] = useState<number | null>(null)
  const messages = useRef<MessagesHandle>(null)
  const field = useRef<HTMLTextAreaElement>(null)
  const focusField = useCallback(() => { field.current?.focus() }, [])
  const onReply = useCallback((seq: number) => { setReply(seq); focusField() }, [focusField])
  useEffect(() => {
    if (window.matchMedia('(pointer: fine)').matches) focusField()
  }, [focusField])
  return (
    <>
      <Messages client={client} onReply={onReply} onDone={focusField} handle={messages} />
      <Typing client={client} />
      <Composer client={client} store={store} room={room} reply={reply} field={field} onReply={setReply}
        onEditLast={() => messages.current?.editLast() ?? false} onSent={() => { messages.current?.toEnd() }} />
    </>
  )
}

function Typing({ client }: { client: Client }) {
  const names = useSnapshot(client, (s) => s.typing)
  return <p className={styles.typing}><bdi>{texts.typing(names.map(shownName))}</bdi></p>
}
