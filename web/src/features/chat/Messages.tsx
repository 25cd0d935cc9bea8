import { useCallback, useEffect, useMemo, useState, type ReactNode, type RefObject } from 'react'
import type { Client } from '../../client/client'
import { indexOf } from '../../client/room'
import { dayOf } from '../../shared/format'
import { texts } from '../../shared/texts'
import { Icon } from '../../shared/ui/Icon'
import { useNow } from '../../shared/usePolled'
import { useSnapshot } from '../../shared/useSnapshot'
import { useVirtual } from '../../shared/virtual/useVirtual'
import type { RowActions } from './actions'
import { Announcer } from './Announcer'
import styles from './Messages.module.css'
import { Row } from './Row'
import { byTarget } from './rows'
import { UnsentRow } from './UnsentRow'
import { useRowFocus } from './useRowFocus'

export interface MessagesHandle {
  /** Edits the reader's last message; false if none is known. */
  editLast(): boolean
  toEnd(): void
}

/** The messages of the room, oldest first, then those that are not sent yet. */
export function Messages({ client, onReply, onDone, handle }: {
  client: Client
  onReply: (seq: number) => void
  /** The reader has finished with a message: the composer gets the focus. */
  onDone: () => void
  handle: RefObject<MessagesHandle | null>
}) {
  const messages = useSnapshot(client, (s) => s.messages)
  const unsent = useSnapshot(client, (s) => s.unsent)
  const changes = useSnapshot(client, (s) => s.changes)
  const uid = useSnapshot(client, (s) => s.uid)
  const line = useSnapshot(client, (s) => s.line)
  const offset = useSnapshot(client, (s) => s.serverOffset)
  const today = dayOf(useNow(client.o.env.now, 60_000) + offset)
  const [following, setFollowing] = useState(true)
  const [leftAt, setLeftAt] = useState(0)
  const [editing, setEditing] = useState<number | null>(null)

  const onFollow = useCallback((now: boolean) => {
    setFollowing(now)
    setLeftAt(client.snapshot().messages.at(-1)?.seq ?? 0)
  }, [client])
  const onTop = useCallback(() => {
    const { more, loadingOlder } = client.snapshot()
    if (more && !loadingOlder) client.loadOlder()
  }, [client])
  const { box, rows, start, end, toEnd, toKey } = useVirtual({
    count: messages.length, keyAt: (i) => messages[i]?.seq ?? 0, onFollow, onTop,
  })
  useAttention(client, following)

  const actions = useMemo<RowActions>(() => ({
    react: ({ seq }, emoji, on) => { client.react(seq, emoji, on) },
    reply: ({ seq }) => { onReply(seq) },
    edit: ({ seq }) => { setEditing(seq) },
    save: (seq, text) => { client.edit(seq, text); setEditing(null); onDone() },
    cancel: () => { setEditing(null); onDone() },
    remove: ({ seq }) => { client.remove(seq); onDone() },
    goTo: toKey,
    retry: (id) => { client.retry(id) },
    discard: (id) => { client.discard(id) },
  }), [client, onReply, onDone, toKey])
  const focus = useRowFocus({ messages, uid, box, actions, toKey, toEnd: () => { toEnd(); onDone() } })

  useEffect(() => {
    handle.current = {
      toEnd,
      editLast: () => {
        const last = messages.findLast((m) => m.uid === uid && m.deleted !== true)
        if (last) { toKey(last.seq); setEditing(last.seq) }
        return last !== undefined
      },
    }
  }, [handle, messages, uid, toEnd, toKey])

  const targets = useMemo(() => byTarget(changes), [changes])
  const quoted = (seq: number | undefined) => (seq === undefined ? undefined : messages[indexOf(messages, seq)])
  const active = focus.active ?? messages.at(-1)?.seq
  return (
    <div className={styles.frame}>
      <div ref={box} className={styles.box} role="log" aria-live="off" aria-label={texts.messages.label} {...focus.handlers}>
        <Top client={client} />
        <div ref={rows}>
          {messages.slice(start, end).map((message, i) => (
            <Row key={message.seq} index={start + i} message={message} before={messages[start + i - 1]} quoted={quoted(message.reply_to)}
              changes={targets?.get(message.seq)} uid={uid} line={line} today={today} active={message.seq === active} shown={focus.active === message.seq}
              editing={message.seq === editing} actions={actions} />
          ))}
        </div>
        {unsent.map((entry) => <UnsentRow key={entry.id} entry={entry} client={client} />)}
      </div>
      {!following && <Newest count={messages.length - 1 - indexBefore(messages, leftAt)} onClick={toEnd} />}
      <Announcer messages={messages} uid={uid} />
    </div>
  )
}

const indexBefore = (messages: readonly { seq: number }[], seq: number): number => messages.findLastIndex((m) => m.seq <= seq)

// Tells the client whether somebody looks at the newest messages.
function useAttention(client: Client, following: boolean): void {
  useEffect(() => {
    const tell = () => { client.attend(document.visibilityState === 'visible' && document.hasFocus(), following) }
    tell()
    document.addEventListener('visibilitychange', tell)
    window.addEventListener('focus', tell)
    window.addEventListener('blur', tell)
    return () => {
      document.removeEventListener('visibilitychange', tell)
      window.removeEventListener('focus', tell)
      window.removeEventListener('blur', tell)
    }
  }, [client, following])
}

function Top({ client }: { client: Client }): ReactNode {
  const { room, loaded, more, loadingOlder, messages, unsent } = useSnapshot(client, (s) => s)
  if (!loaded) return <p className={styles.top}>{texts.messages.loading}</p>
  if (messages.length + unsent.length === 0) {
    return <div className={styles.empty}><p>{texts.messages.empty}</p><p>{texts.messages.emptyHint}</p></div>
  }
  if (!more) return <p className={styles.top}>{texts.messages.start(room)}</p>
  return <p className={styles.top} aria-hidden={!loadingOlder}>{loadingOlder ? texts.messages.older : '\u00a0'}</p>
}

function Newest({ count, onClick }: { count: number; onClick: () => void }) {
  return (
    <button type="button" className={styles.newest} onClick={onClick}>
      <Icon name="down" size={16} /> {count > 0 ? texts.messages.newCount(count) : texts.messages.newest}
    </button>
  )
}
