import type { DiagEnv } from '../env'
import type { ServerRecord, ServerStage, Tri } from '../evidence'
import { clean, limits, within } from '../limits'
import { readBounded } from './http'

const unknown = (why: string): ServerRecord => ({ state: 'unknown', why })

/** Asks once what the server recorded of an attempt. */
export async function askRecord(env: DiagEnv, base: string, trace: string, signal: AbortSignal): Promise<ServerRecord> {
  const limit = within(env, limits.http, signal)
  try {
    const url = new URL(`api/v1/diagnostics/trace/${trace}`, base).href
    const response = await env.fetch(url, { signal: limit.signal, cache: 'no-store', redirect: 'manual', credentials: 'omit', referrerPolicy: 'no-referrer' })
    const text = await readBounded(response, limit.signal)
    return readRecord(response.status, text, trace)
  } catch {
    return unknown(signal.aborted ? 'cancelled' : 'the lookup failed')
  } finally {
    limit.done()
  }
}

/**
 * Asks until the record is complete enough, or the time is over. A lookup that
 * failed or was not complete never becomes "none".
 */
export async function pollRecord(env: DiagEnv, base: string, trace: string, patience: number, enough: (r: ServerRecord) => boolean, signal: AbortSignal): Promise<ServerRecord> {
  const until = env.now() + patience
  let last = unknown('not asked')
  let pause = 40
  let failures = 0
  for (;;) {
    const now = await askRecord(env, base, trace, signal)
    // What was seen once is not forgotten because a later lookup fails.
    if (now.state !== 'unknown' || last.state !== 'seen') last = now
    failures = now.state === 'unknown' ? failures + 1 : 0
    if (signal.aborted || enough(last) || failures >= 3 || env.now() + pause > until) return last
    await sleep(env, pause, signal)
    pause = Math.min(pause * 2, 500)
  }
}

export function sleep(env: DiagEnv, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve()
      return
    }
    const stop = () => {
      env.clearTimeout(timer)
      resolve()
    }
    const timer = env.setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** Reads the answer of the trace endpoint; anything else is "unknown". */
export function readRecord(status: number, text: string, trace: string): ServerRecord {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return unknown('the answer was no document of ours')
  }
  if (typeof document !== 'object' || document === null) return unknown('the answer was no document of ours')
  const { trace: name, stages, complete } = document as Record<string, unknown>
  if (name !== trace || !Array.isArray(stages)) return unknown(`the answer was no record (status ${String(status)})`)
  const rows = stages.slice(0, 64).map(readStage).filter((s) => s !== undefined)
  if (status === 404 || rows.length === 0) {
    return complete === true && status === 404 ? { state: 'none' } : unknown('not every gateway answered')
  }
  if (status !== 200) return unknown(`status ${String(status)}`)
  return { state: 'seen', stages: rows, complete: complete === true, upgradeArrived: arrived(stages), httpVersion: version(stages), framesIn: framesIn(stages) }
}

function readStage(value: unknown): ServerStage | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const r = value as Record<string, unknown>
  if (typeof r.stage !== 'string' || typeof r.outcome !== 'string') return undefined
  const stage: ServerStage = {
    stage: clean(r.stage, 32), outcome: clean(r.outcome, 16), ts: clean(r.ts, 40),
    sinceAcceptMs: typeof r.since_accept_us === 'number' && Number.isFinite(r.since_accept_us) ? r.since_accept_us / 1000 : 0,
  }
  if (typeof r.status === 'number' && r.status > 0) stage.status = r.status
  if (typeof r.close_code === 'number' && r.close_code > 0) stage.closeCode = r.close_code
  for (const [name, key] of [['error_type', 'errorType'], ['error_detail', 'errorDetail'], ['close_initiator', 'closeBy'], ['close_reason', 'closeReason']] as const) {
    if (typeof r[name] === 'string' && r[name] !== '') stage[key] = clean(r[name], 160)
  }
  return stage
}

function arrived(stages: unknown[]): Tri {
  const described = stages.map((s) => s as { http_version?: unknown; arrived?: unknown } | null).filter((s) => typeof s?.http_version === 'string' && s.http_version !== '')
  if (described.length === 0) return 'unknown'
  return described.some((s) => Array.isArray(s?.arrived) && s.arrived.includes('Upgrade')) ? 'yes' : 'no'
}

function version(stages: unknown[]): string {
  for (const s of stages) {
    const r = s as Record<string, unknown> | null
    if (typeof r?.http_version === 'string' && r.http_version !== '') return clean(r.http_version, 8)
  }
  return ''
}

function framesIn(stages: unknown[]): Tri {
  const counts = stages.map((s) => (s as Record<string, unknown> | null)?.frames_in).filter((v) => typeof v === 'number')
  return counts.length === 0 ? 'unknown' : counts.some((n) => n > 0) ? 'yes' : 'no'
}
