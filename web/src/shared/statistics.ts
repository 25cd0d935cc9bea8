import { useCallback, useState } from 'react'
import { adminToken } from './secrets'
import { useAnswers } from './usePolled'

/** A group of attempts, by path or by gateway. */
export interface Group { name: string; attempts: number; succeeded: number; failed: number; success_rate: number; closes: number; abnormal_closes: number; handshake_avg_us: number }

/** What happened in a range: /api/v1/analytics/summary. */
export interface Summary {
  total: number; succeeded: number; failed: number; refused: number; errored: number; abandoned: number; pending: number
  success_rate: number; joined: number; closes: number; abnormal_closes: number; rows_dropped: number; never_arrived: number
  durations: { kind: string; n: number; p50_us: number; p90_us: number; p95_us: number; p99_us: number; max_us: number }[] | null
  errors: { error: string; stage: string; status: number; outcome: string; failures: number; share: number }[] | null
  close_codes: { close_code: number; close_initiator: string; error_type: string; closes: number; share: number }[] | null
  stages: { stage: string; coarse_stage: string; passed: number; share: number; ended_here: number }[] | null
  paths: Group[] | null
  gateways: Group[] | null
  survival: { age_s: number; ended: number; surviving: number; ended_by_network: number }[] | null
}

/** A point of /api/v1/analytics/series; t is its beginning. */
export interface Point { t: string; attempts: number; succeeded: number; refused: number; failed: number; abandoned: number; closes: number; abnormal_closes: number; handshake_avg_us: number }

export interface Series { since: string; until: string; step_s: number; points: Point[] }

/** One connection attempt of /chat/diagnostics/. */
export interface Attempt {
  started: string; conn: string; trace?: string; gateway: string; outcome: string; last_stage: string; failed_stage?: string
  error_type?: string; error_detail?: string; status?: number; path: string; origin?: string; ua_name?: string; os?: string
  family?: string; tls_version?: string; http_version?: string; proxied: boolean; upgraded_us?: number; joined_us?: number
  closed?: string; age_us?: number; close_code?: number; close_initiator?: string; close_reason?: string; rtt_min_us?: number; client_ip?: string
}

/** Why there is no answer. */
export interface Problem {
  /** off: the server keeps none; soon: it is getting ready; failed: all else. */
  kind: 'off' | 'soon' | 'failed'
  /** What the server says. */
  detail: string
}

/** What is known of an answer that is asked for again and again. */
export interface Asked<T> { data: T | null; problem: Problem | null; at: number }

const patience = 15_000 // milliseconds, longer than the server's own limit

async function get(url: string, signal: AbortSignal): Promise<{ data: unknown } | { problem: Problem }> {
  try {
    const token = adminToken()
    const answer = await fetch(url, { signal, cache: 'no-store', credentials: 'omit', headers: token === null ? {} : { Authorization: `Bearer ${token}` } })
    const body = await answer.json() as { detail?: unknown } | null
    if (answer.ok && body !== null) return { data: body }
    const detail = typeof body?.detail === 'string' ? body.detail.slice(0, 500) : `The server answered with status ${String(answer.status)}.`
    return { problem: { kind: answer.status !== 503 ? 'failed' : detail.includes('analytics.mode') ? 'off' : 'soon', detail } }
  } catch (error) {
    return { problem: { kind: 'failed', detail: error instanceof SyntaxError ? 'What answers is not this server.' : 'The server gives no answer.' } }
  }
}

/**
 * Asks for a JSON object again and again while the page is visible. What came
 * last stays while a later question fails, unless the address has changed.
 *
 * @param every milliseconds between two questions
 */
export function useAsked<T>(url: string, every: number): Asked<T> {
  const [state, setState] = useState<Asked<T> & { url: string }>({ url, data: null, problem: null, at: 0 })
  const ask = useCallback((signal: AbortSignal) => get(url, signal), [url])
  const take = useCallback((answer: Awaited<ReturnType<typeof get>>) => {
    setState((old) => 'data' in answer
      ? { url, data: answer.data as T, problem: null, at: Date.now() }
      : { url, data: old.url === url ? old.data : null, problem: answer.problem, at: old.url === url ? old.at : 0 })
  }, [url])
  useAnswers(ask, take, every, patience)
  return state
}
