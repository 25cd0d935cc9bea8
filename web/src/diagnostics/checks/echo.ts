import type { DiagEnv, DiagSocket } from '../env'
import type { EchoFacts, SizeResult } from '../evidence'
import { median } from '../facts'
import { limits } from '../limits'
import { noise, printable } from './noise'
import { busyMs, Pulse } from './pulse'
import { attempt, withQuery } from './socket'

/** Sizes around the steps of the frame header, RFC 6455 section 5.2. */
const textSizes = [125, 126, 1_200, 1_400, 1_500, 9_000, 65_535, 65_536]
const binarySizes = [125, 65_536]
const block = 256 * 1024
const blocks = 4

/** Measures round trips, sizes and throughput over one echo connection. */
export async function measureEcho(env: DiagEnv, url: string, signal: AbortSignal): Promise<EchoFacts> {
  const facts: EchoFacts = { attempt: { state: 'skipped', why: '' }, samples: [], stallMs: 0, sizes: [], throughput: 0, record: { state: 'unknown', why: 'not asked' } }
  const trace = env.randomKey(24)
  facts.attempt = await attempt(env, {
    url: withQuery(url, { trace, diag: '1' }), trace, protocols: [], kind: 'echo',
    use: async (socket, ended) => {
      const inbox = new Inbox(env, socket)
      await roundTrips(env, socket, inbox, facts, ended)
      await sizes(env, socket, inbox, facts, signal, ended)
      await throughput(env, socket, inbox, facts, ended)
    },
  }, signal)
  return facts
}

// What comes back, in order; waits end at a time limit.
class Inbox {
  private readonly env: DiagEnv
  private waiting: ((data: string | ArrayBuffer) => void) | null = null
  received = 0

  constructor(env: DiagEnv, socket: DiagSocket) {
    this.env = env
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string' && !(data instanceof ArrayBuffer)) return
      this.received += typeof data === 'string' ? data.length : data.byteLength
      this.waiting?.(data)
    }
  }

  next(fits: (data: string | ArrayBuffer) => boolean, ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (result: boolean) => {
        this.waiting = null
        this.env.clearTimeout(timer)
        signal.removeEventListener('abort', stop)
        resolve(result)
      }
      const stop = () => { end(false) }
      if (signal.aborted) {
        resolve(false)
        return
      }
      const timer = this.env.setTimeout(() => { end(false) }, Math.max(ms, 0))
      signal.addEventListener('abort', stop, { once: true })
      this.waiting = (data) => {
        if (fits(data)) end(true)
      }
    })
  }
}

async function roundTrips(env: DiagEnv, socket: DiagSocket, inbox: Inbox, facts: EchoFacts, signal: AbortSignal): Promise<void> {
  const until = env.now() + limits.echo
  const pulse = new Pulse(env)
  for (let i = 0; i <= limits.samples && !signal.aborted; i++) {
    const text = `rtt ${String(i)} ${env.randomKey(8)}`
    const begin = env.now()
    const answer = inbox.next((data) => data === text, until - begin, signal)
    socket.send(text)
    const came = await answer
    facts.stallMs = pulse.lateness()
    if (!came) break
    // The first one pays for what is warmed up on the way.
    if (i > 0) facts.samples.push(env.now() - begin)
  }
  pulse.stop()
}

async function sizes(env: DiagEnv, socket: DiagSocket, inbox: Inbox, facts: EchoFacts, cancelled: AbortSignal, ended: AbortSignal): Promise<void> {
  const patience = Math.min(limits.sizes, 600 + 10 * (median(facts.samples) ?? 100))
  const pulse = new Pulse(env)
  // Asked anew each time: the compiler takes an earlier answer for the last one.
  const gone = () => ended.aborted
  const all = [...textSizes.map((bytes) => ({ bytes, binary: false })), ...binarySizes.map((bytes) => ({ bytes, binary: true }))]
  for (const { bytes, binary } of all) {
    const result: SizeResult = { bytes, binary, returned: 'unknown' }
    facts.sizes.push(result)
    // One loss is evidence enough; what follows might wait behind it.
    if (gone() || facts.sizes.some((s) => s !== result && s.returned !== 'yes')) continue
    const answer = inbox.next((data) => (typeof data === 'string' ? data.length : data.byteLength) === bytes && typeof data !== 'string' === binary, patience, ended)
    socket.send(binary ? noise(bytes).buffer : printable(bytes))
    const came = await answer
    // Late on a busy machine is not lost, unless the connection ended.
    const late = !gone() && pulse.lateness() > busyMs
    result.returned = came ? 'yes' : cancelled.aborted || late ? 'unknown' : 'no'
  }
  pulse.stop()
}

async function throughput(env: DiagEnv, socket: DiagSocket, inbox: Inbox, facts: EchoFacts, signal: AbortSignal): Promise<void> {
  if (facts.sizes.some((s) => s.returned !== 'yes')) return
  const before = inbox.received
  const begin = env.now()
  const complete = inbox.next(() => inbox.received - before >= block * blocks, limits.throughput, signal)
  for (let i = 0; i < blocks; i++) socket.send(noise(block).buffer)
  await complete
  const seconds = (env.now() - begin) / 1000
  facts.throughput = seconds > 0 ? Math.round((inbox.received - before) / seconds) : 0
}
