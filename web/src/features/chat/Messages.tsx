import { useLayoutEffect, useRef } from 'react'
import type { Client, Snapshot } from '../../client/client'
import type { Message } from '../../client/frames'
import type { Unsent } from '../../client/outbox'
import styles from './Chat.module.css'
import { clock } from './words'

/** The messages of a room, oldest first, then those that are not sent yet. */
export function Messages({ chat, client }: { chat: Snapshot; client: Client }) {
  const box = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  useLayoutEffect(() => {
    const element = box.current
    if (element && atEnd.current) element.scrollTop = element.scrollHeight
  }, [chat.messages, chat.unsent])
  return (
    <div
      ref={box} className={styles.messages} role="log" aria-label="Messages" tabIndex={0}
      onScroll={({ currentTarget: e }) => { atEnd.current = e.scrollHeight - e.scrollTop - e.clientHeight < 40 }}
    >
      {chat.more && (
        <button type="button" disabled={chat.loadingOlder} onClick={() => { client.loadOlder() }}>
          {chat.loadingOlder ? 'Loading…' : 'Load older'}
        </button>
      )}
      {chat.messages.length + chat.unsent.length === 0 && <p>Nothing has been said here yet. Write the first message below.</p>}
      {chat.messages.map((message) => <Line key={message.seq} message={message} own={message.uid === chat.uid} />)}
      {chat.unsent.map((entry) => <UnsentLine key={entry.id} entry={entry} client={client} />)}
    </div>
  )
}

function Line({ message, own }: { message: Message; own: boolean }) {
  return (
    <article className={styles.line} data-state="sent" data-own={own}>
      <span className={styles.author}><bdi>{message.user}</bdi></span>
      <time dateTime={message.ts}>{clock(message.ts)}</time>
      <p className={styles.text} dir="auto">{message.deleted === true ? <em>deleted</em> : message.text}</p>
      {message.edited !== undefined && message.deleted !== true && <small>edited</small>}
    </article>
  )
}

function UnsentLine({ entry, client }: { entry: Unsent; client: Client }) {
  const failed = entry.failed !== undefined
  return (
    <article className={styles.line} data-state={failed ? 'failed' : 'pending'} data-own="true">
      <span className={styles.author}><bdi>{entry.user}</bdi></span>
      <small>{failed ? `not sent: ${entry.failed ?? ''}` : 'sending…'}</small>
      <p className={styles.text} dir="auto">{entry.text}</p>
      {failed && (
        <span>
          <button type="button" onClick={() => { client.retry(entry.id) }}>Try again</button>
          <button type="button" onClick={() => { client.discard(entry.id) }}>Discard</button>
        </span>
      )}
    </article>
  )
}
