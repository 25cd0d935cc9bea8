import type { Store } from './store'

/** What a storing frame asks for. */
export type Change =
  | { kind: 'send'; text: string; reply_to?: number }
  | { kind: 'edit'; target: number; text: string }
  | { kind: 'delete'; target: number }
  | { kind: 'react'; target: number; emoji: string; on: boolean }

/** A storing frame that the server has not acknowledged. */
export interface Unsent {
  id: string
  room: string
  change: Change
  /** The life of the log that targets belong to; null: not known yet. */
  epoch: string | null
  /** The name it was written under: another name is another identity. */
  user: string
  /** Milliseconds since 1970. */
  at: number
  /** It went out at least once, and may have been stored. */
  tried: boolean
  /** An error code: the server will not take it, and it waits for the author. */
  failed?: string
}

/** Unacknowledged frames that are kept; more are refused. */
export const outboxLimit = 200

const prefix = 'partyline.outbox.'

/** The names under which the outboxes of all tabs are stored. */
export const outboxKeys = (store: Store): string[] => store.keys().filter((key) => key.startsWith(prefix))

/**
 * What one tab has to say and was not confirmed yet, oldest first. It survives a
 * reload: the next page adopts it. Every tab has its own, so that two tabs do
 * not send the same frame.
 */
export class Outbox {
  readonly key: string
  private readonly store: Store
  private entries: readonly Unsent[] = []

  constructor(store: Store, tab: string) {
    this.store = store
    this.key = prefix + tab
  }

  /** The same array until something changes. */
  all(): readonly Unsent[] {
    return this.entries
  }

  /** The next frame to send: strictly in order, past those that failed. */
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

  update(id: string, change: Partial<Omit<Unsent, 'room'>>): void {
    this.entries = this.entries.map((entry) => (entry.id === id ? { ...entry, ...change } : entry))
    this.save()
  }

  /** Returns what was removed. */
  remove(id: string): Unsent | undefined {
    const found = this.entries.find((entry) => entry.id === id)
    if (!found) return undefined
    this.entries = this.entries.filter((entry) => entry !== found)
    this.save()
    return found
  }

  /**
   * Takes over what a tab that is gone left under key. What was tried under
   * another name fails: sent again, it would be another identity's message.
   */
  adopt(key: string, user: string): void {
    if (key === this.key) return
    const known = new Set(this.entries.map((entry) => entry.id))
    const left = parseEntries(this.store.get(key)).filter((entry) => !known.has(entry.id))
    const all = [...left.map((entry) => claim(entry, user)), ...this.entries].toSorted((a, b) => a.at - b.at)
    // What does not fit stays where it is, for the next page.
    if (all.length > outboxLimit) return
    this.entries = all
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
    [e.id, e.room, e.user].every((s) => typeof s === 'string') && isChange(e.change) &&
    (e.epoch === null || typeof e.epoch === 'string') &&
    typeof e.at === 'number' && typeof e.tried === 'boolean' &&
    (e.failed === undefined || typeof e.failed === 'string')
  )
}

function isChange(v: unknown): v is Change {
  if (typeof v !== 'object' || v === null) return false
  const c = v as Record<string, unknown>
  const target = typeof c.target === 'number'
  switch (c.kind) {
    case 'send': return typeof c.text === 'string' && (c.reply_to === undefined || typeof c.reply_to === 'number')
    case 'edit': return target && typeof c.text === 'string'
    case 'delete': return target
    case 'react': return target && typeof c.emoji === 'string' && typeof c.on === 'boolean'
    default: return false
  }
}
