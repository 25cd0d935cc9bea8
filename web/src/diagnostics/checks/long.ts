import type { DiagEnv, DiagSocket } from '../env'
import type { LadderRung, LongTests, Target, Tri } from '../evidence'
import { done, opened, works } from '../facts'
import { within } from '../limits'
import { sleep } from './record'
import { attempt, withQuery } from './socket'

/** Tests that take long; each is started by its own button. */

/** Quiet times in seconds, around the usual limits of proxies. */
export const ladderSeconds = [25, 35, 65, 105, 130, 245] as const

type Remaining = (seconds: number) => void

/**
 * Keeps quiet connections of several lengths, and a busy one beside them. A page
 * that was hidden meanwhile proves nothing.
 */
export async function idleLadder(env: DiagEnv, target: Target, seconds: readonly number[], heartbeatS: number, signal: AbortSignal, remaining: Remaining): Promise<NonNullable<LongTests['ladder']>> {
  const longest = Math.max(...seconds)
  const stop = new AbortController()
  const cancel = () => { stop.abort() }
  signal.addEventListener('abort', cancel, { once: true })
  const control = busy(env, target, stop.signal)
  const begin = env.now()
  const ticking = (async () => {
    while (!stop.signal.aborted) {
      remaining(Math.max(0, Math.ceil(longest - (env.now() - begin) / 1000)))
      await sleep(env, 1_000, stop.signal)
    }
  })()
  const rungs = await Promise.all(seconds.map((s) => quiet(env, target, s, signal)))
  stop.abort()
  signal.removeEventListener('abort', cancel)
  await ticking
  const visible = env.facts().visible
  return { rungs: visible ? rungs : rungs.map((r) => ({ ...r, outcome: 'void' as const })), controlHeld: await control, heartbeatS }
}

async function quiet(env: DiagEnv, target: Target, idleS: number, signal: AbortSignal): Promise<LadderRung> {
  let cutAfterS: number | undefined
  let answered = false as boolean
  const a = await attempt(env, {
    url: withQuery(target.echo, { trace: env.randomKey(24), diag: '1', quiet: '1' }), trace: '', protocols: [], kind: 'echo',
    use: async (socket, ended) => {
      const begin = env.now()
      await sleep(env, idleS * 1000, ended)
      if (ended.aborted) cutAfterS = Math.round((env.now() - begin) / 1000)
      else answered = await returns(env, socket, ended)
    },
  }, signal)
  if (signal.aborted) return { idleS, outcome: 'void' }
  if (!opened(a)) return { idleS, outcome: 'failed' }
  if (answered) return { idleS, outcome: 'held' }
  return { idleS, outcome: 'cut', cutAfterS: cutAfterS ?? idleS }
}

async function busy(env: DiagEnv, target: Target, signal: AbortSignal): Promise<Tri> {
  let held = 'unknown' as Tri
  await attempt(env, {
    url: withQuery(target.echo, { trace: env.randomKey(24), diag: '1' }), trace: '', protocols: [], kind: 'echo',
    use: async (socket, ended) => {
      while (!ended.aborted) {
        const answered = await returns(env, socket, ended)
        // The end of the test interrupts the last wait: that is no loss.
        if (isOver(signal)) return
        held = answered ? 'yes' : 'no'
        if (!answered) return
        await sleep(env, 5_000, ended)
      }
      if (!signal.aborted) held = 'no'
    },
  }, signal)
  return held
}

// Asked anew each time: the compiler takes an earlier answer for the last one.
function isOver(signal: AbortSignal): boolean {
  return signal.aborted
}

function returns(env: DiagEnv, socket: DiagSocket, ended: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const text = env.randomKey(12)
    const end = (result: boolean) => {
      env.clearTimeout(timer)
      ended.removeEventListener('abort', stop)
      resolve(result)
    }
    const stop = () => { end(false) }
    const timer = env.setTimeout(stop, 5_000)
    ended.addEventListener('abort', stop, { once: true })
    socket.onmessage = ({ data }) => {
      if (data === text) end(true)
    }
    try {
      socket.send(text)
    } catch {
      end(false)
    }
  })
}

/** Opens several connections in a row: one broken gateway of many shows. */
export async function repeated(env: DiagEnv, target: Target, times: number, signal: AbortSignal): Promise<NonNullable<LongTests['repeat']>> {
  let tried = 0, lost = 0
  for (; tried < times && !signal.aborted; tried++) {
    const trace = env.randomKey(24)
    const a = await attempt(env, { url: withQuery(target.echo, { trace, diag: '1' }), trace, protocols: [], kind: 'echo' }, signal)
    if (done(a) && !works(a)) lost++
  }
  return { tried, failed: lost }
}

/** Reads an answer that the server sends in pieces of 200 ms. */
export async function streaming(env: DiagEnv, target: Target, signal: AbortSignal): Promise<NonNullable<LongTests['stream']>> {
  const chunks = 5
  const limit = within(env, 10_000, signal)
  const times: number[] = []
  try {
    const url = withQuery(new URL('api/v1/diagnostics/probe', target.http).href, { nonce: env.randomKey(12), chunks: String(chunks) })
    const response = await env.fetch(url, { signal: limit.signal, cache: 'no-store', credentials: 'omit' })
    const reader = response.status === 200 ? response.body?.getReader() : undefined
    for (let i = 0; reader && i < 1_000; i++) {
      const { done: ended } = await reader.read()
      if (ended) break
      times.push(env.now())
    }
  } catch {
    times.length = 0
  } finally {
    limit.done()
  }
  const [first, last] = [times[0], times.at(-1)]
  return { chunks: times.length, spreadMs: first === undefined || last === undefined ? 0 : last - first, expectedMs: times.length === 0 ? 0 : (chunks - 1) * 200 }
}
