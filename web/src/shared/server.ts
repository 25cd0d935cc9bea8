import { loadToken } from './secrets'

/** What the page shows of /chat/status/. Absent members were not told. */
export interface ServerStatus {
  status: string
  version: string
  gateway: string
  uptime: number // seconds
  time?: string
  connections?: number
  draining: boolean
  /** Whether a client needs a token. */
  auth: 'open' | 'jwt'
  urls: string[]
  nats?: string
  durability?: string
  lag?: number
  analytics?: { mode: string; ok: boolean }
}

/** A room of the server. */
export interface RoomInfo {
  name: string
  topic: string
}

type Fields = Record<string, unknown>

const fields = (v: unknown): Fields => (typeof v === 'object' && v !== null && !Array.isArray(v) ? (v as Fields) : {})
const text = (v: unknown): string => (typeof v === 'string' ? v.slice(0, 200) : '')
const number = (v: unknown): number | undefined => (typeof v === 'number' && Number.isFinite(v) ? v : undefined)
const optional = <K extends string, T>(key: K, v: T | undefined): Partial<Record<K, T>> =>
  (v === undefined ? {} : { [key]: v }) as Partial<Record<K, T>>

/** Reads the answer of /chat/status/; null if it is something else. */
export function parseStatus(value: unknown): ServerStatus | null {
  const f = fields(value)
  if (typeof f.status !== 'string') return null
  const [socket, storage, analytics] = [fields(f.websocket), fields(f.storage), fields(f.analytics)]
  const word = (v: unknown) => (typeof v === 'string' ? text(v) : undefined)
  return {
    status: text(f.status), version: text(f.version), gateway: text(f.gateway),
    uptime: Math.max(0, Math.floor(number(f.uptime_s) ?? 0)), draining: socket.draining === true, auth: f.auth === 'jwt' ? 'jwt' : 'open',
    urls: Array.isArray(socket.urls) ? socket.urls.filter((url) => typeof url === 'string').slice(0, 10) : [],
    ...optional('time', word(f.time)),
    ...optional('connections', number(socket.connections)),
    ...optional('nats', word(storage.nats)),
    ...optional('durability', word(storage.durability)),
    ...optional('lag', number(storage.projection_lag)),
    ...(typeof analytics.mode === 'string' && { analytics: { mode: text(analytics.mode), ok: analytics.ok === true } }),
  }
}

/** Reads the answer of /api/v1/rooms; null if it is something else. */
export function parseRooms(value: unknown): RoomInfo[] | null {
  const list = Array.isArray(value) ? value : fields(value).rooms
  if (!Array.isArray(list)) return null
  return list.map(fields).flatMap((f) => {
    const name = text(f.name ?? f.room)
    return roomName.test(name) ? [{ name, topic: text(f.topic) }] : []
  })
}

/** What a room may be called; protocol.md. */
export const roomName = /^[a-z0-9][a-z0-9_-]{0,63}$/

/** Asks the server how it is; null if it gives no answer that can be read. */
export const fetchStatus = (signal: AbortSignal): Promise<ServerStatus | null> => ask('/chat/status/', signal, parseStatus)

/** Asks which rooms there are; null if it gives no answer that can be read. */
export const fetchRooms = (signal: AbortSignal): Promise<RoomInfo[] | null> => ask('/api/v1/rooms', signal, parseRooms)

async function ask<T>(path: string, signal: AbortSignal, parse: (value: unknown) => T | null): Promise<T | null> {
  try {
    const token = path.startsWith('/api/') ? loadToken() : null
    const answer = await fetch(path, { signal, cache: 'no-store', credentials: 'omit', ...(token !== null && { headers: { Authorization: `Bearer ${token}` } }) })
    return parse(await answer.json())
  } catch {
    return null
  }
}
