import { imageProbe, isOurProblem, isOurStatus, opaqueProbe, probe, readBounded } from './checks/http'
import { measureEcho } from './checks/echo'
import { pollRecord } from './checks/record'
import { attempt, withQuery } from './checks/socket'
import { diagnose, verdict } from './diagnose'
import type { DiagEnv } from './env'
import type { DryRun, Earlier, Evidence, PostureItem, ServerRecord, SocketAttempt, Target } from './evidence'
import { answered, blockedByPolicy, closedByServer, done, opened, ours, refusal, refusedFast, seen, stageOf, works } from './facts'
import type { Finding, Verdict } from './finding'
import { clean, limits, within } from './limits'

export interface RunOptions {
  env: DiagEnv
  target: Target
  /** Parameters and subprotocols exactly as the chat client uses them, without trace. */
  user: string
  protocols: string[]
  /** echo: judge transport without an identity, for pages from a file. */
  kind: 'chat' | 'echo'
  /** Failures that the chat noted before, newest first. */
  earlier: { trace: string; at: number; opened: boolean; closeCode: number; lastedMs: number }[]
  signal: AbortSignal
  onProgress: (p: Progress) => void
}

export interface Progress {
  /** 0 to 1. */
  share: number
  words: string
  evidence: Evidence
}

export interface Run {
  /** Milliseconds since 1970. */
  startedAt: number
  tookMs: number
  cancelled: boolean
  trace: string
  evidence: Evidence
  findings: Finding[]
  verdict: Verdict
}

/** Evidence of which nothing is known yet. */
export function emptyEvidence(env: Pick<DiagEnv, 'facts'>, target: Target): Evidence {
  const skipped = { state: 'skipped', why: 'not reached' } as const
  const unknown = { state: 'unknown', why: 'not asked' } as const
  return {
    target, browser: env.facts(), status: skipped, route: skipped, probe: skipped, nonce: 'unknown', opaque: 'unknown',
    opaqueTimedOut: false, image: 'unknown', violations: [], dryRun: 'unknown', attempt: skipped, record: unknown,
    variant: skipped, variantRecord: unknown, echo: 'skipped', security: 'unknown', earlier: [], long: {},
  }
}

/** Runs the whole diagnosis. It never throws, and ends soon after a cancel. */
export async function run(options: RunOptions): Promise<Run> {
  const { env, target, signal } = options
  const evidence = emptyEvidence(env, target)
  const startedAt = env.date(), begin = env.now()
  const trace = env.randomKey(24)
  const stopListening = env.onViolation((v) => {
    if (evidence.violations.length < 16) evidence.violations.push({ ...v, blocked: clean(v.blocked, 512), directive: clean(v.directive, 64) })
  })
  const step = (share: number, words: string) => {
    if (!signal.aborted) options.onProgress({ share, words, evidence })
  }
  try {
    if (evidence.browser.websocket === 'missing') step(0.1, 'This browser has no WebSocket')
    step(0.05, 'Asking the server over HTTP')
    await httpProbes(options, evidence)
    step(0.4, 'Opening the WebSocket as the chat does')
    await sockets(options, evidence, trace, () => env.now() - begin)
    step(0.7, 'Measuring the connection')
    await quality(options, evidence)
    step(0.95, 'Judging')
  } finally {
    stopListening()
  }
  evidence.browser.visible &&= env.facts().visible
  const findings = diagnose(evidence)
  return {
    startedAt, tookMs: env.now() - begin, cancelled: signal.aborted, trace, evidence, findings, verdict: verdict(evidence, findings),
  }
}

async function httpProbes({ env, target, signal }: RunOptions, e: Evidence): Promise<void> {
  const nonce = env.randomKey(20)
  const at = (path: string) => withQuery(new URL(path, target.http).href, { nonce })
  const blocked = (url: string) => () => blockedByPolicy(e, url) !== undefined
  const [status, image, asked] = [at('chat/status/'), at('api/v1/diagnostics/probe.svg'), at('api/v1/diagnostics/probe')]
  const statusAt = env.date()
  await Promise.all([
    probe(env, status, signal, { isOurs: isOurStatus, blocked: blocked(status) }).then((p) => {
      e.status = p
      readClock(env, e, statusAt)
    }),
    probe(env, target.route, signal, { isOurs: isOurProblem, blocked: blocked(target.route) }).then((p) => { e.route = p }),
    probe(env, asked, signal, { isOurs: (s, b) => s === 200 && typeof b?.nonce === 'string' || isOurProblem(s, b), blocked: blocked(asked) }).then((p) => {
      e.probe = p
      if (ours(p) && p.status === 200) e.nonce = p.body?.nonce === nonce ? 'yes' : 'no'
    }),
    opaqueProbe(env, status, signal, blocked(status)).then((r) => {
      e.opaque = r.answered
      e.opaqueTimedOut = r.timedOut
    }),
    imageProbe(env, image, signal, blocked(image)).then((r) => { e.image = r }),
    dryRun(env, target, signal).then((r) => { e.dryRun = r }),
    security(env, target, signal).then((r) => { e.security = r }),
  ])
}

// The server's clock against ours, known to within half of the round trip.
function readClock(env: DiagEnv, e: Evidence, sentAt: number): void {
  if (!answered(e.status) || typeof e.status.body?.time !== 'string') return
  const theirs = Date.parse(e.status.body.time)
  if (Number.isNaN(theirs)) return
  const now = env.date()
  e.clockErrorMs = Math.max(now - sentAt, 0) / 2 + 1
  e.clockOffsetMs = theirs - (now - Math.max(now - sentAt, 0) / 2)
}

async function json(env: DiagEnv, url: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>> | undefined> {
  const limit = within(env, limits.http, signal)
  try {
    const response = await env.fetch(url, { signal: limit.signal, cache: 'no-store', redirect: 'manual', credentials: 'omit', referrerPolicy: 'no-referrer' })
    if (response.status !== 200) return undefined
    const value: unknown = JSON.parse(await readBounded(response, limit.signal))
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  } finally {
    limit.done()
  }
}

async function dryRun(env: DiagEnv, target: Target, signal: AbortSignal): Promise<DryRun | 'unknown'> {
  const url = withQuery(new URL('api/v1/diagnostics/handshake', target.http).href, { origin: target.origin, path: new URL(target.route).pathname })
  const d = await json(env, url, signal)
  if (d?.decision !== 'accept' && d?.decision !== 'refuse') return 'unknown'
  return { decision: d.decision, status: typeof d.status === 'number' ? d.status : 0, code: clean(d.code, 64), rule: clean(d.rule, 64) }
}

async function security(env: DiagEnv, target: Target, signal: AbortSignal): Promise<readonly PostureItem[] | 'unknown'> {
  const d = await json(env, new URL('api/v1/diagnostics/security', target.http).href, signal)
  if (!Array.isArray(d?.findings)) return 'unknown'
  return d.findings.slice(0, 40).map((item: unknown) => {
    const r = (typeof item === 'object' && item !== null ? item : {}) as Record<string, unknown>
    return { code: clean(r.code, 64), severity: clean(r.severity, 16), title: clean(r.title), advice: clean(r.advice, 600) }
  })
}

async function sockets(options: RunOptions, e: Evidence, trace: string, since: () => number): Promise<void> {
  if (options.signal.aborted || e.browser.websocket === 'missing') return
  const attemptAt = since()
  e.attempt = await open(options, trace, options.protocols)
  const recordAt = since()
  // A lookup that takes the same broken way would only cost time.
  const askable = answered(e.status) && ours(e.status)
  e.record = askable ? await record(options, e.attempt, trace) : { state: 'unknown', why: 'the API is not reached' }
  e.clock = { attemptAt, recordAt, recordMs: since() - recordAt }
  const again = refusedFast(e.attempt) && !refusal(e.record)
  if (!again || options.protocols.length === 0) return
  const second = options.env.randomKey(24)
  e.variant = await open(options, second, [])
  if (askable && opened(e.variant)) e.variantRecord = await record(options, e.variant, second)
}

function open({ env, target, user, kind, signal }: RunOptions, trace: string, protocols: string[]): Promise<SocketAttempt> {
  const url = kind === 'chat' ? withQuery(target.ws, { user, trace, diag: '1' }) : withQuery(target.echo, { trace, diag: '1' })
  return attempt(env, { url, trace, protocols: kind === 'chat' ? protocols : [], kind }, signal)
}

// The record is complete when it tells as much as the browser saw.
function record({ env, target, signal }: RunOptions, a: SocketAttempt, trace: string): Promise<ServerRecord> {
  if (!done(a)) return Promise.resolve({ state: 'unknown', why: 'nothing was sent' })
  const enough = (r: ServerRecord) => seen(r) && (works(a) || refusal(r) !== undefined || stageOf(r, 'closed') !== undefined)
  return pollRecord(env, target.http, trace, a.opened || a.timedOut ? limits.recordFast : limits.record, enough, signal)
}

async function quality(options: RunOptions, e: Evidence): Promise<void> {
  if (options.signal.aborted) return
  await Promise.all([
    works(e.attempt) ? measureEcho(options.env, options.target.echo, options.signal).then((facts) => { e.echo = facts }) : Promise.resolve(),
    ours(e.status) ? lookUpEarlier(options, e) : Promise.resolve(),
  ])
}

async function lookUpEarlier({ env, target, earlier, signal }: RunOptions, e: Evidence): Promise<void> {
  e.earlier = await Promise.all(earlier.slice(0, 3).map(async (x): Promise<Earlier> => ({
    ...x, record: await pollRecord(env, target.http, x.trace, 0, (r) => closedByServer(r) !== undefined, signal),
  })))
}
