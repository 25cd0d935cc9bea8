import type { DiagEnv } from '../env'
import { clean, limits, within } from '../limits'
import { readBounded } from './http'
import { withQuery } from './socket'

/** One attempt as the server tells it. Durations are in milliseconds. */
export interface RecentAttempt {
  started: string // RFC 3339
  trace: string
  gateway: string
  outcome: string
  lastStage: string
  errorType: string
  errorDetail: string
  status: number
  path: string
  closeCode: number
  closeBy: string
  openMs: number | null
  agedMs: number | null
}

export interface Counted { name: string; count: number; share: number }

/** What the server counted; shares are between 0 and 1. */
export interface Statistics {
  since: string
  until: string
  total: number
  succeeded: number
  failed: number
  successRate: number
  joined: number
  durations: { kind: string; n: number; avg: number; p50: number; p95: number; p99: number }[]
  errors: Counted[]
  closeCodes: Counted[]
  stages: Counted[]
  /** Reported by clients of attempts that never reached the server; verified ones alone. */
  neverArrived: number
  reports: number
  attempts: RecentAttempt[]
}

export type StatisticsAnswer = { state: 'told'; statistics: Statistics } | { state: 'not_told'; why: string }

export interface StatisticsQuestion {
  base: string
  /** Traces whose rows may be told to this page. */
  traces: readonly string[]
  /** Of the administration; null: none. Never given by the standalone page. */
  token: string | null
  outcome: string
}

const mostBytes = 1 << 20
const mostRows = 50

/** Asks the server for its statistics and the last attempts. Never throws. */
export async function askStatistics(env: DiagEnv, question: StatisticsQuestion, signal: AbortSignal): Promise<StatisticsAnswer> {
  const limit = within(env, limits.http, signal)
  const { base, traces, token, outcome } = question
  const url = withQuery(new URL('chat/diagnostics/', base).href, {
    limit: String(mostRows), ...(outcome !== '' && { outcome }), ...(token === null && traces.length > 0 && { traces: traces.slice(0, mostRows).join(',') }),
  })
  try {
    const response = await env.fetch(url, {
      signal: limit.signal, cache: 'no-store', redirect: 'manual', credentials: 'omit', referrerPolicy: 'no-referrer',
      ...(token !== null && { headers: { Authorization: `Bearer ${token}` } }),
    })
    if (response.status !== 200) return { state: 'not_told', why: refusedWords(response.status) }
    const statistics = readStatistics(JSON.parse(await readBounded(response, limit.signal, mostBytes)))
    return statistics ? { state: 'told', statistics } : { state: 'not_told', why: 'The answer is none that this page knows.' }
  } catch {
    return { state: 'not_told', why: limit.late() ? 'The server did not answer in time.' : 'The answer could not be read. Servers tell their statistics to pages of their own origins alone.' }
  } finally {
    limit.done()
  }
}

function refusedWords(status: number): string {
  switch (status) {
    case 401: return 'The server refused the token of the administration.'
    case 404: return 'This server keeps no statistics.'
    case 429: return 'The server was asked too often. Wait a moment.'
    case 503: return 'The server has no statistics at the moment, or they are switched off (analytics.mode).'
    default: return `The server answered with status ${String(status)}.`
  }
}

type Fields = Readonly<Record<string, unknown>>

const fields = (v: unknown): Fields => (typeof v === 'object' && v !== null && !Array.isArray(v) ? v as Fields : {})
const list = (v: unknown): Fields[] => (Array.isArray(v) ? v.slice(0, mostRows).map(fields) : [])
const number = (v: unknown): number => (typeof v === 'number' && Number.isFinite(v) && v >= 0 ? v : 0)
const time = (v: unknown): number | null => (typeof v === 'number' && Number.isFinite(v) ? v / 1000 : null)
const share = (v: unknown): number => Math.min(number(v), 1)
const word = (v: unknown): string => clean(v, 120)

/** Reads the answer of /chat/diagnostics/; undefined if it is something else. */
export function readStatistics(value: unknown): Statistics | undefined {
  const answer = fields(value), s = fields(answer.statistics)
  if (typeof s.total !== 'number') return undefined
  const counted = (v: unknown, name: (f: Fields) => string, count: string): Counted[] =>
    list(v).map((f) => ({ name: name(f), count: number(f[count]), share: share(f.share) }))
  return {
    since: word(s.since), until: word(s.until), total: number(s.total), succeeded: number(s.succeeded), failed: number(s.failed),
    successRate: share(s.success_rate), joined: number(s.joined), neverArrived: number(s.never_arrived), reports: number(s.reports_verified),
    durations: list(s.durations).map((f) => ({ kind: word(f.kind), n: number(f.n), avg: number(f.avg_us) / 1000, p50: number(f.p50_us) / 1000, p95: number(f.p95_us) / 1000, p99: number(f.p99_us) / 1000 })),
    errors: counted(s.errors, (f) => [word(f.error), word(f.stage)].filter((t) => t !== '').join(' at '), 'failures'),
    closeCodes: counted(s.close_codes, (f) => `${String(number(f.close_code))} by ${word(f.close_initiator)}`, 'closes'),
    stages: counted(s.stages, (f) => word(f.stage), 'passed'),
    attempts: list(answer.attempts).map((f) => ({
      started: word(f.started), trace: word(f.trace), gateway: word(f.gateway), outcome: word(f.outcome), lastStage: word(f.last_stage),
      errorType: word(f.error_type), errorDetail: word(f.error_detail), status: number(f.status), path: word(f.path),
      closeCode: number(f.close_code), closeBy: word(f.close_initiator), openMs: time(f.upgraded_us), agedMs: time(f.age_us),
    })),
  }
}
