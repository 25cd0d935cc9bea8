import { Client } from '../client/client'
import { browserEnv } from '../client/env'
import { installationKey } from '../client/identity'
import { webStore, type Store } from '../client/store'
import { loadName } from '../features/chat/name'

export interface Session {
  client: Client
  store: Store
}

/** Connects to the server that the page came from. */
export function startChat(): Session {
  const store = webStore(() => window.localStorage)
  const client = new Client({
    env: browserEnv,
    store,
    urls: [new URL('/ws/chat/', window.location.href).href.replace(/^http/, 'ws')],
    clientKey: installationKey(store, browserEnv),
    user: loadName(store, browserEnv),
  }, 'lobby')
  wakeUp(client)
  shareOutboxes(client)
  client.start()
  return { client, store }
}

function wakeUp(client: Client): void {
  const wake = () => { client.wake() }
  window.addEventListener('online', wake)
  window.addEventListener('pageshow', wake)
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') wake()
  })
}

/**
 * Every tab holds a lock on its outbox and waits for those of the others: who
 * gets such a lock takes over what a closed tab left. Without locks (a page
 * that is not secure) it takes over at once; ids make sending twice harmless.
 */
function shareOutboxes(client: Client): void {
  const locks = (navigator as { locks?: LockManager }).locks
  if (!locks) {
    client.foreignOutboxes().forEach((key) => { client.adopt(key) })
    return
  }
  const watched = new Set([client.outboxKey])
  const watch = () => {
    for (const key of client.foreignOutboxes().filter((other) => !watched.has(other))) {
      watched.add(key)
      void locks.request(key, () => {
        client.adopt(key)
        watched.delete(key)
      })
    }
  }
  // Held until the page is gone.
  void locks.request(client.outboxKey, () => new Promise<never>(() => undefined))
  window.addEventListener('storage', watch)
  watch()
}
