import type { Answer, Evidence, HttpProbe, ServerRecord, SocketAttempt, SocketDone } from './evidence'
import { answered, done, median, ms, opened, ours, refusal, seen, works } from './facts'

export type StepState = 'ok' | 'warning' | 'failed' | 'unknown' | 'not_reached'

/** One of the eight steps of the network trace. */
export interface Step {
  number: number
  name: string
  state: StepState
  /** Milliseconds that it took; undefined when not measured. */
  took?: number
  /** When it began, in milliseconds after the run; undefined when not known. */
  from?: number
  detail: string
}

/** A point on a lane, in milliseconds after the browser began the attempt. */
export interface Mark {
  at: number
  name: string
  state: StepState
  detail: string
}

/** The lanes of browser and server on one clock. */
export interface Timeline {
  browser: Mark[]
  server: Mark[]
  /** The server's clock was placed on the browser's, to within this error. */
  errorMs: number
  /** Where the way breaks: after the last mark that both sides agree on. */
  gap?: { from: number; to: number; words: string }
  end: number
}

/** The eight steps, in order. */
export function steps(e: Evidence): Step[] {
  const all = [browser(e), http(2, 'API server', e.status), route(e), cors(e), constructor(e), handshake(e), establishment(e), verification(e)]
  const at = begins(e)
  return all.map((step) => {
    const from = step.state === 'not_reached' ? undefined : at[step.number]
    return from === undefined ? step : { ...step, from }
  })
}

// The probes run side by side; the attempt follows.
function begins(e: Evidence): Readonly<Record<number, number>> {
  const probes = { 1: 0, 2: 0, 3: 0, 4: 0 }
  if (!e.clock) return probes
  const { attemptAt, recordAt } = e.clock
  return { ...probes, 5: attemptAt, 6: attemptAt, 7: attemptAt + (done(e.attempt) ? e.attempt.openMs ?? 0 : 0), 8: recordAt }
}

function browser(e: Evidence): Step {
  const b = e.browser
  const state: StepState = b.websocket === 'missing' || !b.online ? 'failed' : b.websocket === 'wrapped' || !b.visible ? 'warning' : 'ok'
  const words = [`WebSocket ${b.websocket}`, b.online ? 'online' : 'offline', b.secureContext ? 'secure context' : 'no secure context', b.visible ? 'visible' : 'in the background']
  return { number: 1, name: 'Browser support', state, detail: words.join(', ') }
}

function http(number: number, name: string, p: HttpProbe): Step {
  const base = { number, name }
  switch (p.state) {
    case 'skipped':
      return { ...base, state: 'not_reached', detail: p.why }
    case 'failed':
      return { ...base, state: 'failed', took: p.ms, detail: failure(p.why) }
    case 'answered':
      return { ...base, state: p.kind === 'ours' && p.status < 400 ? 'ok' : 'failed', took: p.ms, detail: answerWords(p) }
  }
}

const failure = (why: 'network' | 'timeout' | 'blocked'): string =>
  ({ network: 'no answer that the page may read', timeout: 'no answer in time', blocked: 'forbidden by the page’s own policy' })[why]

function answerWords(p: Answer): string {
  const words = [`status ${String(p.status)}`, p.kind === 'ours' ? 'from Partyline' : p.kind === 'redirect' ? 'a redirect' : 'not from Partyline']
  if (p.phases) words.push(`DNS ${ms(p.phases.dns)}, TCP ${ms(p.phases.connect - p.phases.tls)}, TLS ${ms(p.phases.tls)}, first byte ${ms(p.phases.firstByte)}`)
  return words.join(', ')
}

function route(e: Evidence): Step {
  const step = http(3, 'WebSocket route', e.route)
  const fine = ours(e.route) && e.route.code === 'upgrade_required'
  return { ...step, state: fine ? 'ok' : step.state, detail: fine ? 'status 426: it is Partyline, and it speaks WebSocket here' : step.detail }
}

function cors(e: Evidence): Step {
  const base = { number: 4, name: 'CORS and origin' }
  if (e.dryRun !== 'unknown' && e.dryRun.decision === 'refuse') {
    return { ...base, state: 'failed', detail: `the server would refuse the origin ${e.target.origin} (${e.dryRun.rule})` }
  }
  if (answered(e.status)) {
    return { ...base, state: e.dryRun === 'unknown' ? 'unknown' : 'ok', detail: e.dryRun === 'unknown' ? 'answers can be read; the dry run could not' : `the server accepts the origin ${e.target.origin} (${e.dryRun.rule})` }
  }
  if (e.opaque === 'unknown' && e.image === 'unknown') return { ...base, state: e.status.state === 'skipped' ? 'not_reached' : 'unknown', detail: 'not known' }
  if (e.opaque === 'yes' && e.image === 'yes') return { ...base, state: 'warning', detail: 'Partyline answers, but its CORS headers are missing' }
  if (e.opaque === 'yes') return { ...base, state: 'failed', detail: 'something answers that is not Partyline' }
  return { ...base, state: 'failed', detail: 'nothing answers, with or without CORS' }
}

function constructor(e: Evidence): Step {
  const base = { number: 5, name: 'Constructor' }
  if (e.attempt.state === 'skipped') return { ...base, state: 'not_reached', detail: e.attempt.why }
  if (e.attempt.state === 'threw') return { ...base, state: 'failed', detail: `${e.attempt.name}: ${e.attempt.message}` }
  const policy = e.violations.find((v) => v.enforced)
  return policy && !opened(e.attempt)
    ? { ...base, state: 'failed', detail: `${policy.directive} forbids ${policy.blocked}` }
    : { ...base, state: 'ok', detail: 'the browser accepts the address' }
}

function handshake(e: Evidence): Step {
  const base = { number: 6, name: 'Handshake' }
  if (!done(e.attempt)) return { ...base, state: 'not_reached', detail: 'not reached' }
  if (e.attempt.opened) {
    const words = [e.attempt.subprotocol === '' ? 'no subprotocol' : e.attempt.subprotocol, e.attempt.extensions === '' ? 'no extensions' : e.attempt.extensions]
    return { ...base, state: 'ok', took: e.attempt.openMs ?? 0, detail: words.join(', ') }
  }
  return { ...base, state: 'failed', took: e.attempt.endMs, detail: e.attempt.timedOut ? 'neither opened nor failed in time' : `failed${closeWords(e.attempt)}` }
}

const closeWords = (a: SocketAttempt): string => done(a) && a.closeCode !== undefined ? `, code ${String(a.closeCode)}` : ', without a code'

function establishment(e: Evidence): Step {
  const base = { number: 7, name: 'Establishment' }
  if (!opened(e.attempt)) return { ...base, state: 'not_reached', detail: 'not reached' }
  if (!works(e.attempt)) return { ...base, state: 'failed', took: e.attempt.endMs, detail: e.attempt.timedOut ? 'no frame came in time' : `ended at once${closeWords(e.attempt)}` }
  const full = e.attempt.full?.returned === 'no' ? e.attempt.full : undefined
  if (e.echo === 'skipped') return { ...base, state: full ? 'warning' : 'ok', took: firstFrames(e.attempt), detail: full ? `a full message of ${String(full.bytes)} bytes is lost` : 'first frames exchanged' }
  const middle = median(e.echo.samples)
  const lostSize = full ?? e.echo.sizes.find((s) => s.returned === 'no')
  const words = [middle === undefined ? 'round trip not measured' : `round trip ${ms(middle)}`]
  if (e.echo.throughput > 0) words.push(`${(e.echo.throughput / 1e6).toFixed(1)} MB/s`)
  if (lostSize) words.push(`messages of ${String(lostSize.bytes)} bytes are lost`)
  return { ...base, state: lostSize ? 'warning' : 'ok', took: firstFrames(e.attempt), detail: words.join(', ') }
}

const firstFrames = (a: SocketDone): number => Math.max(0, (a.pongMs ?? 0) - (a.openMs ?? 0))

function verification(e: Evidence): Step {
  const base = { number: 8, name: 'What the server saw', ...(e.clock && e.record.state !== 'unknown' && { took: e.clock.recordMs }) }
  if (!seen(e.record)) {
    if (e.record.state === 'none') return { ...base, state: 'failed', detail: 'no gateway saw the attempt' }
    return { ...base, state: e.attempt.state === 'skipped' ? 'not_reached' : 'unknown', detail: e.record.why }
  }
  const refused = refusal(e.record)
  if (refused) return { ...base, state: 'failed', detail: `refused at ${refused.stage}: ${refused.errorType ?? ''} ${refused.errorDetail ?? ''}`.trim() }
  return { ...base, state: works(e.attempt) ? 'ok' : 'warning', detail: e.record.stages.map((s) => s.stage).join(' → ') }
}

/** The attempt on two lanes. */
export function timeline(e: Evidence): Timeline {
  const browserLane = browserMarks(e.attempt)
  const end = Math.max(...browserLane.map((m) => m.at), 1)
  const server = serverMarks(e)
  const result: Timeline = { browser: browserLane, server: server.marks, errorMs: server.errorMs, end: Math.max(end, ...server.marks.map((m) => m.at)) }
  const lastGood = Math.max(0, ...[...browserLane, ...server.marks].filter((m) => m.state === 'ok').map((m) => m.at))
  if (done(e.attempt) && !works(e.attempt)) {
    result.gap = { from: lastGood, to: result.end, words: seen(e.record) ? 'the server saw it; the browser got no further' : e.record.state === 'none' ? 'it never reached the server' : 'not known beyond here' }
  }
  return result
}

function browserMarks(a: SocketAttempt): Mark[] {
  const start: Mark = { at: 0, name: 'connect', state: a.state === 'threw' ? 'failed' : a.state === 'skipped' ? 'not_reached' : 'ok', detail: 'new WebSocket' }
  if (!done(a)) return [start]
  const marks = [start]
  if (a.openMs !== undefined) marks.push({ at: a.openMs, name: 'open', state: 'ok', detail: 'the handshake was answered' })
  if (a.welcomeMs !== undefined) marks.push({ at: a.welcomeMs, name: 'welcome', state: 'ok', detail: 'first frame of the server' })
  if (a.pongMs !== undefined && a.pongMs !== a.welcomeMs) marks.push({ at: a.pongMs, name: 'pong', state: 'ok', detail: 'a ping was answered' })
  if (!a.endedHere) marks.push({ at: a.endMs, name: a.timedOut ? 'given up' : 'closed', state: 'failed', detail: a.timedOut ? 'no answer in time' : `code ${String(a.closeCode ?? 'none')}` })
  return marks
}

/** An attempt as the server alone saw it. */
export function recordTimeline(record: Extract<ServerRecord, { state: 'seen' }>): Timeline {
  const server = record.stages.map((s): Mark => ({
    at: s.sinceAcceptMs, name: s.stage, state: s.outcome === 'ok' ? 'ok' : 'failed', detail: s.errorDetail ?? s.closeReason ?? '',
  }))
  return { browser: [], server, errorMs: 0, end: Math.max(1, ...server.map((m) => m.at)) }
}

// Placed by the stage that both sides know (101), else by when the attempt began.
function serverMarks(e: Evidence): { marks: Mark[]; errorMs: number } {
  if (!seen(e.record)) return { marks: [], errorMs: 0 }
  const up = e.record.stages.find((s) => s.stage === 'upgraded')
  const openMs = done(e.attempt) ? e.attempt.openMs : undefined
  const middle = e.echo === 'skipped' ? undefined : median(e.echo.samples)
  const half = middle === undefined ? 0 : middle / 2
  // A busy page hears of the opening late, and of the pong too: both bound it.
  const first = e.record.stages.find((s) => s.stage === 'first_frame')
  const pongMs = done(e.attempt) ? e.attempt.pongMs : undefined
  const latest = Math.min(openMs === undefined || !up ? Infinity : openMs - half - up.sinceAcceptMs, pongMs === undefined || !first ? Infinity : pongMs - half - first.sinceAcceptMs)
  const shift = Number.isFinite(latest) ? Math.max(latest, 0) : half
  return {
    marks: e.record.stages.map((s) => ({
      at: shift + s.sinceAcceptMs, name: s.stage,
      state: s.outcome === 'ok' ? 'ok' : 'failed', detail: s.errorDetail ?? s.closeReason ?? '',
    })),
    errorMs: half || (openMs ?? 0) / 2,
  }
}
