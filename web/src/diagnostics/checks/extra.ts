import type { DiagEnv, DiagSocket } from '../env'
import type { LongTests, Target } from '../evidence'
import { opened } from '../facts'
import { clean, limits } from '../limits'
import { isOurProblem, probe } from './http'
import { sleep } from './record'
import { attempt, withQuery } from './socket'

/** More tests that take long; each is started by its own button. */

type Remaining = (seconds: number) => void

/**
 * Keeps one connection busy, to find a limit of the whole life of a connection.
 *
 * @param seconds how long it is kept
 */
export async function lifetime(env: DiagEnv, target: Target, seconds: number, signal: AbortSignal, remaining: Remaining): Promise<LongTests> {
  let livedS: number | undefined
  const a = await attempt(env, {
    url: withQuery(target.echo, { trace: env.randomKey(24), diag: '1' }), trace: '', protocols: [], kind: 'echo',
    use: async (socket, ended) => {
      const begin = env.now()
      const lived = () => (env.now() - begin) / 1000
      while (lived() < seconds && !ended.aborted) {
        remaining(Math.ceil(seconds - lived()))
        socket.send('busy')
        await sleep(env, Math.min(1_000, Math.max(seconds * 1000 - lived() * 1000, 1)), ended)
      }
      livedS = Math.round(lived())
    },
  }, signal)
  if (signal.aborted || !opened(a) || livedS === undefined) return {}
  return { lifetime: { seconds, livedS, cut: !a.endedHere } }
}

export interface ResumeOptions {
  user: string
  protocols: string[]
  room: string
}

interface Frame { type?: unknown; id?: unknown; seq?: unknown; prev?: unknown; epoch?: unknown; last_seq?: unknown; reset?: unknown; replayed?: unknown; messages?: unknown; room?: unknown }

/** Joins a room, drops the connection, joins again with since, and compares. It writes nothing. */
export async function resume(env: DiagEnv, target: Target, options: ResumeOptions, signal: AbortSignal): Promise<LongTests> {
  const before = await joinOnce(env, target, options, { tail: 20 }, signal)
  if (!before) return unknown('The room could not be joined.')
  const known = Array.isArray(before.joined.messages) ? before.joined.messages.map((m) => (m as Frame).seq).filter((s) => typeof s === 'number') : []
  const since = known[0] ?? Number(before.joined.last_seq)
  const after = await joinOnce(env, target, options, { since, epoch: before.joined.epoch }, signal)
  if (!after) return unknown('The room could not be joined a second time.')
  return judge(since, before.joined, after)
}

const unknown = (detail: string): LongTests => ({ resume: { ok: 'unknown', detail } })
const broken = (detail: string): LongTests => ({ resume: { ok: 'no', detail } })

interface Joining { joined: Frame; events: Frame[] }

function judge(since: number, before: Frame, { joined, events }: Joining): LongTests {
  if (joined.epoch !== before.epoch) return broken('The second connection reached another log (its epoch differs).')
  if (joined.reset === true) return broken(`The server could not go on after event ${String(since)}, which it had shown a moment before.`)
  let last = since
  for (const { seq, prev } of events) {
    if (prev !== last || typeof seq !== 'number' || seq <= last) return broken(`After event ${String(last)} came ${clean(String(seq))}, which names ${clean(String(prev))} as the one before.`)
    last = seq
  }
  if (last < Number(before.last_seq)) return broken(`The replay ended at event ${String(last)}; ${String(Number(before.last_seq))} had been seen before.`)
  return { resume: { ok: 'yes', detail: `${String(events.length)} events came again after event ${String(since)}, in order and without a hole.` } }
}

// Opens a connection, joins, takes the replay, and drops the connection.
async function joinOnce(env: DiagEnv, target: Target, { user, protocols, room }: ResumeOptions, how: object, signal: AbortSignal): Promise<Joining | undefined> {
  const trace = env.randomKey(24), id = env.randomKey(12)
  let result: Joining | undefined
  await attempt(env, {
    url: withQuery(target.ws, { user, trace, diag: '1' }), trace, protocols, kind: 'chat',
    use: async (socket, ended) => { result = await joining(env, socket, { type: 'join', id, room, ...how }, ended) },
  }, signal)
  return result
}

function joining(env: DiagEnv, socket: DiagSocket, join: Frame, ended: AbortSignal): Promise<Joining | undefined> {
  return new Promise((resolve) => {
    let joined: Frame | undefined
    const events: Frame[] = []
    const end = (result: Joining | undefined) => {
      env.clearTimeout(timer)
      ended.removeEventListener('abort', stop)
      resolve(result)
    }
    const stop = () => { end(undefined) }
    const timer = env.setTimeout(stop, limits.socket)
    ended.addEventListener('abort', stop, { once: true })
    socket.onmessage = ({ data }) => {
      const frame = parse(data)
      if (frame.type === 'joined' && frame.id === join.id) joined = frame
      else if (frame.type === 'event' && joined) events.push(frame)
      else if (frame.type === 'error' && frame.id === join.id) {
        end(undefined)
        return
      }
      // events beyond the replay are new ones: they belong to the chain too.
      if (joined && events.length >= (typeof joined.replayed === 'number' ? joined.replayed : 0)) end({ joined, events })
    }
    socket.send(JSON.stringify(join))
  })
}

function parse(data: unknown): Frame {
  if (typeof data !== 'string' || data.length > 4 << 20) return {}
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

/** The other ways to the same server, side by side: both usual ports, and both schemes. */
export async function sides(env: DiagEnv, target: Target, signal: AbortSignal, progress: (label: string) => void): Promise<LongTests> {
  const found: NonNullable<LongTests['sides']> = []
  for (const { label, ws } of sidesOf(target)) {
    if (signal.aborted) return {}
    progress(label)
    const http = await probe(env, ws.replace(/^ws/, 'http').replace('/ws/echo/', '/ws/chat/'), signal, { isOurs: isOurProblem, blocked: () => false })
    const trace = env.randomKey(24)
    const a = await attempt(env, { url: withQuery(ws, { trace, diag: '1' }), trace, protocols: [], kind: 'echo' }, signal)
    found.push({ label, url: ws, http, attempt: a })
  }
  return { sides: found }
}

/** The addresses that sides tries: the one in use first. */
export function sidesOf(target: Target): { label: string; ws: string }[] {
  const out: { label: string; ws: string }[] = []
  const add = (scheme: string, port: string) => {
    const url = new URL(target.echo)
    url.protocol = scheme
    url.port = port
    const label = `${scheme}//${url.host}`
    if (!out.some((side) => side.ws === url.href)) out.push({ label, ws: url.href })
  }
  const { protocol, port } = new URL(target.echo)
  add(protocol, port)
  add(protocol === 'ws:' ? 'wss:' : 'ws:', port)
  for (const scheme of ['ws:', 'wss:']) for (const other of ['8000', '8001', '']) add(scheme, other)
  return out
}
