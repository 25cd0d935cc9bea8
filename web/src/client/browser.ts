import type { Client } from './client'
import { randomKey, steadyClock, type Env, type Socket, type Turns } from './env'

/** The surroundings of a client in a browser. */
export function browserEnv(): Env {
  return {
    now: steadyClock(),
    date: () => Date.now(),
    setTimeout: (run, ms) => window.setTimeout(run, ms),
    clearTimeout: (timer) => {
      window.clearTimeout(timer)
    },
    random: () => Math.random(),
    randomKey,
    connect: (url, protocols) => new WebSocket(url, protocols) as Socket,
    turns: browserTurns(),
  }
}

const visible = () => document.visibilityState === 'visible'

// Pages that are not secure have no locks; pages of file: no channels either.
const lockManager = () => (navigator as { locks?: LockManager }).locks

/**
 * Hidden tabs reconnect one after another, by a lock of the browser that a tab
 * loses when it closes or crashes; the tab that is looked at does not wait.
 */
function browserTurns(): Turns {
  const channel = 'BroadcastChannel' in window ? new BroadcastChannel('partyline.up') : null
  return {
    urgent: () => visible() || !lockManager(),
    ask: (run) => {
      const stop = new AbortController()
      const held = lockManager()?.request('partyline.turn', { signal: stop.signal }, () => new Promise<void>((resolve) => { run(resolve) }))
      held?.catch(() => undefined) // stopped while it waited
      return () => { stop.abort() }
    },
    up: () => { channel?.postMessage('up') },
    onUp: (listener) => { channel?.addEventListener('message', listener) },
  }
}

/**
 * Lets a client follow its page: it wakes up with the machine and the network,
 * shares what was not sent with other tabs, and hears of policies.
 */
export function attach(client: Client): void {
  const wake = () => { client.wake() }
  window.addEventListener('online', wake)
  window.addEventListener('pageshow', wake)
  document.addEventListener('visibilitychange', () => {
    if (visible()) wake()
  })
  document.addEventListener('securitypolicyviolation', (event) => {
    if (event.disposition === 'enforce' && event.effectiveDirective === 'connect-src') client.forbidden(event.blockedURI)
  })
  window.addEventListener('storage', () => { client.reload() })
  shareOutboxes(client)
}

/**
 * Every tab holds a lock on its outbox and waits for those of the others: who
 * gets such a lock takes over what a closed tab left. Without locks it takes
 * over at once; ids make sending twice harmless.
 */
function shareOutboxes(client: Client): void {
  const locks = lockManager()
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
