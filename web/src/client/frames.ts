/** A message with its edits, deletion and reactions applied. */
export interface Message {
  seq: number
  ts: string
  id: string
  uid: string
  user: string
  text?: string
  edited?: string
  deleted?: boolean
  reply_to?: number
  reactions?: Record<string, number>
  reacted?: Record<string, string[]>
}

/** What a stored event says; kinds unknown here are kept as they are. */
export interface RoomEvent {
  kind: string
  id: string
  uid: string
  user: string
  text: string
  reply_to?: number
  target?: number
  emoji?: string
  on?: boolean
}

export interface Welcome { type: 'welcome'; user: string; uid: string; epoch: string; heartbeat_s: number; conn: string }
export interface Joined {
  type: 'joined'; room: string; id?: string; epoch: string; last_seq: number; members: number
  messages?: Message[]; more: boolean; reset: boolean
}
export interface EventFrame { type: 'event'; room: string; seq: number; prev: number; ts: string; event: RoomEvent }
export interface Ack { type: 'ack'; id: string; seq: number; ts: string }
export interface History { type: 'history'; id: string; room: string; messages: Message[]; more: boolean }
export interface Presence { type: 'presence'; room: string; members: number }
export interface Pong { type: 'pong' }
export interface ErrorFrame { type: 'error'; code: string; message: string; id?: string; room?: string; retry_after_ms?: number }
export interface Bye { type: 'bye'; reason: string; reconnect_after_ms: number }

export type ServerFrame = Welcome | Joined | EventFrame | Ack | History | Presence | Pong | ErrorFrame | Bye

type Fields = Record<string, unknown>

const isObject = (v: unknown): v is Fields => typeof v === 'object' && v !== null && !Array.isArray(v)
const isSeq = (v: unknown): v is number => typeof v === 'number' && Number.isSafeInteger(v) && v >= 0
const text = (v: unknown, otherwise = ''): string => (typeof v === 'string' ? v : otherwise)
const count = (v: unknown, otherwise = 0): number => (isSeq(v) ? v : otherwise)

/**
 * Reads one frame of the server. Unknown members are dropped; null means that
 * the frame is of an unknown type or is not a valid frame, and is to be ignored.
 */
export function parseFrame(data: unknown): ServerFrame | null {
  if (typeof data !== 'string') return null
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return null
  }
  if (!isObject(value) || typeof value.type !== 'string') return null
  return Object.hasOwn(parsers, value.type) ? (parsers[value.type]?.(value) ?? null) : null
}

const parsers: Record<string, (f: Fields) => ServerFrame | null> = {
  welcome: (f) =>
    typeof f.uid === 'string' && typeof f.epoch === 'string'
      ? { type: 'welcome', uid: f.uid, epoch: f.epoch, user: text(f.user), conn: text(f.conn),
          heartbeat_s: Math.min(Math.max(count(f.heartbeat_s, 25), 1), 600) }
      : null,
  joined: parseJoined,
  event: parseEvent,
  ack: (f) =>
    typeof f.id === 'string' && isSeq(f.seq) ? { type: 'ack', id: f.id, seq: f.seq, ts: text(f.ts) } : null,
  history: (f) => {
    const messages = parseMessages(f.messages)
    return typeof f.id === 'string' && typeof f.room === 'string' && messages
      ? { type: 'history', id: f.id, room: f.room, messages, more: f.more === true }
      : null
  },
  presence: (f) =>
    typeof f.room === 'string' && isSeq(f.members)
      ? { type: 'presence', room: f.room, members: f.members }
      : null,
  pong: () => ({ type: 'pong' }),
  error: (f) =>
    typeof f.code === 'string'
      ? { type: 'error', code: f.code, message: text(f.message), ...optional(f) }
      : null,
  bye: (f) => ({ type: 'bye', reason: text(f.reason), reconnect_after_ms: Math.min(count(f.reconnect_after_ms), 300_000) }),
}

function optional(f: Fields): Pick<ErrorFrame, 'id' | 'room' | 'retry_after_ms'> {
  return {
    ...(typeof f.id === 'string' && { id: f.id }),
    ...(typeof f.room === 'string' && { room: f.room }),
    ...(isSeq(f.retry_after_ms) && { retry_after_ms: f.retry_after_ms }),
  }
}

function parseJoined(f: Fields): Joined | null {
  if (typeof f.room !== 'string' || typeof f.epoch !== 'string' || !isSeq(f.last_seq)) return null
  const messages = f.messages === undefined ? undefined : parseMessages(f.messages)
  if (messages === null) return null
  return {
    type: 'joined', room: f.room, epoch: f.epoch, last_seq: f.last_seq, members: count(f.members),
    more: f.more === true, reset: f.reset === true,
    ...(typeof f.id === 'string' && { id: f.id }),
    ...(messages && { messages }),
  }
}

function parseEvent(f: Fields): EventFrame | null {
  if (typeof f.room !== 'string' || !isSeq(f.seq) || !isSeq(f.prev) || !isObject(f.event)) return null
  const e = f.event
  return {
    type: 'event', room: f.room, seq: f.seq, prev: f.prev, ts: text(f.ts),
    event: {
      kind: text(e.kind), id: text(e.id), uid: text(e.uid), user: text(e.user), text: text(e.text),
      ...(isSeq(e.reply_to) && { reply_to: e.reply_to }),
      ...(isSeq(e.target) && { target: e.target }),
      ...(typeof e.emoji === 'string' && { emoji: e.emoji }),
      ...(typeof e.on === 'boolean' && { on: e.on }),
    },
  }
}

/** Reads folded messages; null unless v is an array. Broken ones are left out. */
export function parseMessages(v: unknown): Message[] | null {
  if (!Array.isArray(v)) return null
  return v.map(parseMessage).filter((m) => m !== null)
}

function parseMessage(v: unknown): Message | null {
  if (!isObject(v) || !isSeq(v.seq)) return null
  return {
    seq: v.seq, ts: text(v.ts), id: text(v.id), uid: text(v.uid), user: text(v.user),
    ...(typeof v.text === 'string' && { text: v.text }),
    ...(typeof v.edited === 'string' && { edited: v.edited }),
    ...(v.deleted === true && { deleted: true }),
    ...(isSeq(v.reply_to) && { reply_to: v.reply_to }),
    ...(isObject(v.reactions) && { reactions: record(v.reactions, (n) => (isSeq(n) ? n : null)) }),
    ...(isObject(v.reacted) && { reacted: record(v.reacted, uids) }),
  }
}

const uids = (v: unknown): string[] | null =>
  Array.isArray(v) ? v.filter((uid) => typeof uid === 'string') : null

function record<T>(fields: Fields, read: (v: unknown) => T | null): Record<string, T> {
  const entries = Object.entries(fields).map(([key, v]) => [key, read(v)] as const)
  return Object.fromEntries(entries.filter((entry): entry is [string, T] => entry[1] !== null))
}
