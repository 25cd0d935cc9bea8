import type { Store } from './store'

/** A message that the server has not acknowledged. */
export interface Unsent {
  id: string
  room: string
  text: string
  /** The name it was written under: another name is another identity. */
  user: string
  /** Milliseconds since 1970. */
  at: number
  /** It went out at least once, and may have been stored. */
  tried: boolean
  /** Why the server will not take it; it waits for the author. */
  failed?: string
}

/** Unacknowledged messages that are kept; more are refused. */
export const outboxLimit = 200

const prefix = 'partyline.outbox.'

/** The names under which the outboxes of all tabs are stored. */
export const outboxKeys = (store: Store): string[] => store.keys().filter((key) => key.startsWith(prefix))

/**
 * The messages of one tab that wait for their ack, oldest first. They survive a
 * reload: the next page adopts them. Every tab has its own, so that two tabs
 * do not send the same message.
 */
export class Outbox {
  readonly key: string
  private readonly store: Store
  private entries: Unsent[] = []

  constructor(store: Store, tab: string) {
    this.store = store
    this.key = prefix + tab
  }

  all(): readonly Unsent[] {
    return this.entries
  }

  /** The next message to send: strictly in order, past those that failed. */
  next(): Unsent | undefined {
    return this.entries.find((entry) => entry.failed === undefined)
  }

  /** Returns false if the outbox is full. */
  add(entry: Unsent): boolean {
    if (this.entries.length >= outboxLimit) return false
    this.entries = [...this.entries, entry]
    this.save()
    return true
  }

  update(id: string, change: Partial<Pick<Unsent, 'tried' | 'failed' | 'id' | 'user' | 'at'>>): void {
    this.entries = this.entries.map((entry) => (entry.id === id ? { ...entry, ...change } : entry))
    this.save()
  }

  /** Returns false if there was no such message. */
  remove(id: string): boolean {
    const before = this.entries.length
    this.entries = this.entries.filter((entry) => entry.id !== id)
    if (this.entries.length === before) return false
    this.save()
    return true
  }

  /** Makes a failed message wait again, after all others. */
  requeue(entry: Unsent): void {
    this.entries = [...this.entries.filter((other) => other.id !== entry.id), entry]
    this.save()
  }

  /**
   * Takes over what a tab that is gone left under key. What was tried under
   * another name fails: sent again, it would be another identity's message.
   */
  adopt(key: string, user: string): void {
    if (key === this.key) return
    const known = new Set(this.entries.map((entry) => entry.id))
    const left = parseEntries(this.store.get(key)).filter((entry) => !known.has(entry.id))
    this.entries = [...left.map((entry) => claim(entry, user)), ...this.entries]
      .toSorted((a, b) => a.at - b.at).slice(0, outboxLimit)
    this.save()
    this.store.remove(key)
  }

  private save(): void {
    if (this.entries.length === 0) this.store.remove(this.key)
    else this.store.set(this.key, JSON.stringify(this.entries))
  }
}

function claim(entry: Unsent, user: string): Unsent {
  if (entry.user === user) return entry
  return entry.tried ? { ...entry, failed: 'name_changed' } : { ...entry, user }
}

function parseEntries(stored: string | null): Unsent[] {
  try {
    const value: unknown = JSON.parse(stored ?? '[]')
    return Array.isArray(value) ? value.filter(isUnsent) : []
  } catch {
    return []
  }
}

function isUnsent(v: unknown): v is Unsent {
  if (typeof v !== 'object' || v === null) return false
  const e = v as Record<string, unknown>
  return (
    [e.id, e.room, e.text, e.user].every((s) => typeof s === 'string') &&
    typeof e.at === 'number' && typeof e.tried === 'boolean' &&
    (e.failed === undefined || typeof e.failed === 'string')
  )
}
