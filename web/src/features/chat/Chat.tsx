import { useEffect, useState, useSyncExternalStore } from 'react'
import type { Client } from '../../client/client'
import type { ConnectionState } from '../../client/connection'
import styles from './Chat.module.css'
import { Composer } from './Composer'
import { Messages } from './Messages'
import { NameField } from './NameField'
import { connectionWords } from './words'

/** The chat: name, connection, messages, composer. */
export function Chat({ client, onName }: { client: Client; onName: (name: string) => void }) {
  const chat = useSyncExternalStore(client.subscribe, client.snapshot)
  return (
    <section className={styles.chat} aria-label={`Room ${chat.room}`}>
      <header className={styles.bar}>
        <h1># {chat.room}</h1>
        <NameField name={chat.user} onChange={(name) => { onName(name); client.setUser(name) }} />
        <Connection state={chat.connection} onRetry={() => { client.start() }} />
      </header>
      <Messages chat={chat} client={client} />
      {chat.notice !== '' && <p role="alert">{chat.notice}</p>}
      <Composer onSend={(text) => client.say(text)} />
    </section>
  )
}

function Connection({ state, onRetry }: { state: ConnectionState; onRetry: () => void }) {
  const now = useNow(state.name === 'waiting')
  return (
    <div className={styles.connection}>
      <span role="status" aria-label="Connection" data-state={state.name}>{connectionWords(state, now)}</span>
      {(state.name === 'waiting' || state.name === 'stopped') && (
        <button type="button" onClick={onRetry}>Connect now</button>
      )}
    </div>
  )
}

function useNow(ticking: boolean): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (!ticking) return
    const timer = setInterval(() => { setNow(Date.now()) }, 500)
    return () => { clearInterval(timer) }
  }, [ticking])
  return now
}
