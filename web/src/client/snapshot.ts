import type { Why } from './codes'
import type { ConnectionState } from './connection'
import type { Limits, Message, Person } from './frames'
import type { StateChange } from './journal'
import type { Unsent } from './outbox'

export interface RoomSummary {
  name: string
  topic: string
  /** Messages of others that were not read; stops counting at 100. */
  unread: number
  /** The last message, if it is known. */
  last: Message | undefined
}

/** What went wrong and belongs to no message; code is one of the protocol. */
export interface Notice { code: string; message: string; room: string }

/** What a page shows. A new object for every change; what did not change keeps its identity. */
export interface Snapshot {
  connection: ConnectionState
  /** Why the connection was lost last, until it has been up again. */
  why: Why | null
  /** The last state changes, oldest first. */
  log: readonly StateChange[]
  /** Milliseconds of the last ping; null before the first. */
  roundTrip: number | null
  /** Milliseconds by which the server's clock is ahead of Env.now: what is shown goes by it. */
  serverOffset: number
  /** Seconds by which the server's clock is ahead of the one that the device shows. */
  clockOffset: number
  /** heartbeat in seconds; reportKey makes reports of attempts trusted and is a credential. */
  server: { version: string; gateway: string; limits: Limits; heartbeat: number; reportKey: string } | null
  /** The name in use, and the public id that goes with it once connected. */
  user: string
  uid: string

  /** The room that is shown; its members follow. */
  room: string
  /** It has been opened once: that it is empty means something. */
  loaded: boolean
  topic: string
  epoch: string | null
  messages: readonly Message[]
  more: boolean
  loadingOlder: boolean
  members: number
  people: readonly Person[]
  typing: readonly string[]
  /** Messages after this seq are new: a line is drawn there; null: none. */
  line: number | null
  /** Messages not acknowledged, or not here yet. */
  unsent: readonly Unsent[]
  /** The same for edits, deletions and reactions. */
  changes: readonly Unsent[]

  rooms: readonly RoomSummary[]
  notice: Notice | null
}

/** Keeps the old list if the new one says the same, member by member. */
export function steady<T>(before: readonly T[] | undefined, after: readonly T[], same: (a: T, b: T) => boolean): readonly T[] {
  if (before?.length !== after.length) return after
  return after.every((item, i) => { const old = before[i]; return old !== undefined && same(old, item) }) ? before : after
}

export const sameRoom = (a: RoomSummary, b: RoomSummary): boolean =>
  a.name === b.name && a.topic === b.topic && a.unread === b.unread && a.last === b.last

export const identical = <T>(a: T, b: T): boolean => a === b
