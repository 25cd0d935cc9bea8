import type { DiagEnv, DiagResponse } from '../env'
import type { Answer, AnswerKind, HttpProbe, Tri } from '../evidence'
import { clean, limits, within } from '../limits'

export interface ProbeOptions {
  /** Who says from the document whether the answer is ours. */
  isOurs: (status: number, body: Readonly<Record<string, unknown>> | undefined) => boolean
  /** Tells whether the page's own policy forbade the address. */
  blocked: () => boolean
}

/** One bounded GET. Redirects are not followed: WebSockets do not follow them either. */
export async function probe(env: DiagEnv, url: string, signal: AbortSignal, options: ProbeOptions): Promise<HttpProbe> {
  if (signal.aborted) return { state: 'skipped', why: 'cancelled' }
  const limit = within(env, limits.http, signal)
  const begin = env.now()
  try {
    const response = await env.fetch(url, {
      signal: limit.signal, cache: 'no-store', redirect: 'manual', credentials: 'omit', referrerPolicy: 'no-referrer',
    })
    const text = response.type === 'opaqueredirect' ? '' : await readBounded(response, limit.signal)
    return answer(env, url, response, text, env.now() - begin, options)
  } catch {
    if (isAborted(signal)) return { state: 'skipped', why: 'cancelled' }
    const why = limit.late() ? 'timeout' : options.blocked() ? 'blocked' : 'network'
    return { state: 'failed', why, ms: env.now() - begin }
  } finally {
    limit.done()
  }
}

function answer(env: DiagEnv, url: string, response: DiagResponse, text: string, ms: number, options: ProbeOptions): Answer {
  const redirect = response.type === 'opaqueredirect' || response.status >= 300 && response.status < 400
  const type = response.headers.get('content-type') ?? ''
  const body = parse(text)
  const isOurs = !redirect && options.isOurs(response.status, body)
  const kind: AnswerKind = redirect ? 'redirect' : isOurs ? 'ours' : /html/i.test(type) || /^\s*<(?:!doctype|html)/i.test(text) ? 'html' : 'other'
  const result: Answer = {
    state: 'answered', status: response.status, kind, ms,
    server: clean(response.headers.get('server'), 80), via: clean(response.headers.get('via'), 80),
  }
  const timing = env.phases(url)
  if (timing) result.phases = timing
  if (!isOurs || !body) return result
  result.body = body
  if (typeof body.code === 'string') result.code = clean(body.code, 64)
  if (typeof body.detail === 'string') result.detail = clean(body.detail)
  const missing = [body.missing, body.wrong].flatMap((list): unknown[] => Array.isArray(list) ? list : []).map((m) => clean(m, 64))
  if (missing.length > 0) result.missing = missing.slice(0, 8)
  return result
}

/** Reads at most limits.bodyBytes; a body that never ends is cut. */
export async function readBounded(response: DiagResponse, signal: AbortSignal, most: number = limits.bodyBytes): Promise<string> {
  const reader = response.body?.getReader()
  if (!reader) return ''
  const parts: Uint8Array[] = []
  let size = 0
  const stop = () => { void reader.cancel().catch(() => undefined) }
  signal.addEventListener('abort', stop, { once: true })
  try {
    while (size < most) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
      size += value.length
    }
    if (signal.aborted) throw new Error('aborted')
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
  const all = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return new TextDecoder().decode(all.subarray(0, most))
}

// Asked anew each time: the compiler takes an earlier answer for the last one.
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

/** A request whose answer cannot be read: did anything answer? */
export async function opaqueProbe(env: DiagEnv, url: string, signal: AbortSignal, blocked: () => boolean): Promise<{ answered: Tri; timedOut: boolean }> {
  const limit = within(env, limits.http, signal)
  try {
    await env.fetch(url, { mode: 'no-cors', signal: limit.signal, cache: 'no-store', credentials: 'omit', referrerPolicy: 'no-referrer' })
    return { answered: 'yes', timedOut: false }
  } catch {
    if (signal.aborted || blocked()) return { answered: 'unknown', timedOut: false }
    return { answered: 'no', timedOut: limit.late() }
  } finally {
    limit.done()
  }
}

/** Size of the image that the server serves as its mark. */
export const mark = { width: 37, height: 23 } as const

export async function imageProbe(env: DiagEnv, url: string, signal: AbortSignal, blocked: () => boolean): Promise<Tri> {
  const limit = within(env, limits.http, signal)
  try {
    const { width, height } = await env.image(url, limit.signal)
    return width === mark.width && height === mark.height ? 'yes' : 'no'
  } catch {
    return signal.aborted || limit.late() || blocked() ? 'unknown' : 'no'
  } finally {
    limit.done()
  }
}

/** Our status document, or one of our refusals. */
export function isOurStatus(status: number, body: Readonly<Record<string, unknown>> | undefined): boolean {
  if (!body) return false
  if (status === 200) return typeof body.status === 'string' && typeof body.websocket === 'object' && body.websocket !== null
  return isOurProblem(status, body)
}

/** A problem document with one of our codes and the status that it says. */
export function isOurProblem(status: number, body: Readonly<Record<string, unknown>> | undefined): boolean {
  return body !== undefined && body.status === status && typeof body.code === 'string' && codes.has(body.code)
}

const codes = new Set([
  'bad_request', 'not_found', 'forbidden', 'origin_refused', 'unauthenticated', 'upgrade_required', 'rate_limited',
  'request_too_large', 'bad_method', 'bad_host', 'overloaded', 'draining', 'storage_unavailable', 'internal',
])
