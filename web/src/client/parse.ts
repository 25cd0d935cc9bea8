import type {
  ErrorFrame, EventFrame, Joined, Limits, Message, Person, RoomEvent, ServerFrame, Welcome,
} from './frames'

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
  welcome: parseWelcome,
  joined: parseJoined,
  left: (f) => (typeof f.room === 'string' ? { type: 'left', room: f.room, ...optionalId(f) } : null),
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
      ? { type: 'presence', room: f.room, members: f.members, join: people(f.join), leave: people(f.leave) }
      : null,
  typing: (f) =>
    typeof f.room === 'string' && typeof f.user === 'string'
      ? { type: 'typing', room: f.room, uid: text(f.uid, f.user), user: f.user, on: f.on === true }
      : null,
  receipt: (f) => (typeof f.room === 'string' && isSeq(f.seq) ? { type: 'receipt', room: f.room, seq: f.seq } : null),
  pong: (f) => ({ type: 'pong', t: typeof f.t === 'number' ? f.t : NaN, time: text(f.time) }),
  error: (f) =>
    typeof f.code === 'string'
      ? { type: 'error', code: f.code, message: text(f.message), ...optional(f) }
      : null,
  bye: (f) => ({ type: 'bye', reason: text(f.reason), reconnect_after_ms: Math.min(count(f.reconnect_after_ms), 300_000) }),
}

const optionalId = (f: Fields): { id?: string } => (typeof f.id === 'string' ? { id: f.id } : {})

function optional(f: Fields): Pick<ErrorFrame, 'id' | 'room' | 'retry_after_ms'> {
  return {
    ...optionalId(f),
    ...(typeof f.room === 'string' && { room: f.room }),
    ...(isSeq(f.retry_after_ms) && { retry_after_ms: f.retry_after_ms }),
  }
}

function parseWelcome(f: Fields): Welcome | null {
  if (typeof f.uid !== 'string' || typeof f.epoch !== 'string') return null
  const server = isObject(f.server) ? f.server : {}
  return {
    type: 'welcome', uid: f.uid, epoch: f.epoch, user: text(f.user), conn: text(f.conn), time: text(f.time),
    version: text(server.version), gateway: text(server.gateway), report_key: text(f.report_key),
    heartbeat_s: Math.min(Math.max(count(f.heartbeat_s, 25), 1), 600), limits: parseLimits(f.limits),
  }
}

function parseLimits(v: unknown): Limits {
  const f = isObject(v) ? v : {}
  return {
    max_frame_bytes: count(f.max_frame_bytes, 65_536), max_text: count(f.max_text, 4_000),
    sends_per_s: typeof f.sends_per_s === 'number' && f.sends_per_s >= 0 ? f.sends_per_s : 0,
    rooms: count(f.rooms),
  }
}

function parseJoined(f: Fields): Joined | null {
  if (typeof f.room !== 'string' || typeof f.epoch !== 'string' || !isSeq(f.last_seq)) return null
  const messages = f.messages === undefined ? undefined : parseMessages(f.messages)
  if (messages === null) return null
  return {
    type: 'joined', room: f.room, epoch: f.epoch, last_seq: f.last_seq, members: count(f.members),
    more: f.more === true, reset: f.reset === true, ...optionalId(f),
    ...(messages && { messages }),
  }
}

function parseEvent(f: Fields): EventFrame | null {
  if (typeof f.room !== 'string' || !isSeq(f.seq) || !isSeq(f.prev) || !isObject(f.event)) return null
  return { type: 'event', room: f.room, seq: f.seq, prev: f.prev, ts: text(f.ts), event: parseRoomEvent(f.event) }
}

function parseRoomEvent(e: Fields): RoomEvent {
  return {
    kind: text(e.kind), id: text(e.id), uid: text(e.uid), user: text(e.user), text: text(e.text),
    ...(typeof e.topic === 'string' && { topic: e.topic }),
    ...(isSeq(e.reply_to) && { reply_to: e.reply_to }),
    ...(isObject(e.meta) && { meta: e.meta }),
    ...(isSeq(e.target) && { target: e.target }),
    ...(typeof e.emoji === 'string' && { emoji: e.emoji }),
    ...(typeof e.on === 'boolean' && { on: e.on }),
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
    ...(isObject(v.meta) && { meta: v.meta }),
    ...(isObject(v.reactions) && { reactions: record(v.reactions, (n) => (isSeq(n) ? n : null)) }),
    ...(isObject(v.reacted) && { reacted: record(v.reacted, uids) }),
  }
}

const uids = (v: unknown): string[] | null =>
  Array.isArray(v) ? v.filter((uid) => typeof uid === 'string') : null

function people(v: unknown): Person[] {
  if (!Array.isArray(v)) return []
  return v.filter(isObject).flatMap(({ uid, user }) =>
    typeof uid === 'string' && typeof user === 'string' ? [{ uid, user }] : [])
}

function record<T>(fields: Fields, read: (v: unknown) => T | null): Record<string, T> {
  const entries = Object.entries(fields).map(([key, v]) => [key, read(v)] as const)
  return Object.fromEntries(entries.filter((entry): entry is [string, T] => entry[1] !== null))
}
