import type { Evidence } from '../evidence'
import { median, ms, seen } from '../facts'
import type { Finding } from '../finding'
import type { Difference } from '../report'
import type { Run } from '../run'
import { steps, timeline, type Step, type StepState } from '../steps'
import { button, el, table } from './dom'
import { drawFinding, confidenceWords, severityWords } from './finding'
import { drawTimeline } from './timeline'

const words: Record<StepState, string> = { ok: '✓ good', warning: '! look', failed: '✕ failed', unknown: '? not known', not_reached: '– not reached' }

export interface ResultHost {
  detailed: boolean
  help: (code: string) => string
  copy: (text: string) => void
  /** Pixels that a picture may take. */
  width: number
}

/** The verdict, what to do, the trace, the rest. */
export function drawResult(run: Run, differences: Difference[] | null, host: ResultHost): HTMLElement[] {
  const { evidence: e, findings } = run
  const connection = findings.filter((f) => f.kind === 'connection')
  return [
    drawVerdict(run),
    section('What to do', toDo(connection, run.verdict.sentence, e, host)),
    ...differences === null ? [] : [section('Compared with the last run', [differences.length === 0 ? el('p', {}, 'Nothing changed.') : table(['what', 'before', 'now'], differences.map((d) => [d.what, d.before, d.now]), 'Differences')])],
    section('Network trace', [drawSteps(steps(e), host.detailed), drawTimeline(timeline(e), host.width)]),
    section('Security', security(findings.filter((f) => f.kind === 'posture'), e, host)),
    ...host.detailed ? [section('Measured', [drawMeasured(e)]), section('Environment', [drawEnvironment(e)])] : [],
    el('p', { class: 'pd-quiet pd-row' }, 'Share code for support: ', el('code', {}, run.trace), button('Copy code', () => { host.copy(run.trace) }),
      `took ${(run.tookMs / 1000).toFixed(1)} s${run.cancelled ? ', cancelled' : ''}`),
  ]
}

export function section(title: string, children: Node[]): HTMLElement {
  return el('section', { class: 'pd-section' }, el('h3', {}, title), ...children)
}

function drawVerdict({ verdict: v, findings, evidence }: Run): HTMLElement {
  const proof = v.severity === 'ok' ? healthyProof(evidence) : findings.find((f) => f.code === v.code)?.evidence[0]
  const mark = v.severity === 'ok' ? '✓' : v.severity === 'critical' ? '✕' : v.severity === 'warning' ? '!' : 'i'
  return el('div', { class: 'pd-verdict', 'data-severity': v.severity, role: 'status', 'aria-label': 'Verdict', 'data-code': v.code, 'data-confidence': v.confidence },
    el('span', { class: 'pd-verdict-mark', 'aria-hidden': 'true' }, mark),
    el('div', {}, el('strong', {}, v.sentence),
      proof !== undefined && el('p', {}, proof),
      el('p', { class: 'pd-quiet' }, v.severity === 'ok' ? 'proved' : `${v.severity}, ${confidenceWords[v.confidence]}`)))
}

function healthyProof(e: Evidence): string {
  const middle = e.echo === 'skipped' ? undefined : median(e.echo.samples)
  const words = ['It opened, and frames went both ways']
  if (middle !== undefined) words.push(`a round trip takes ${ms(middle)}`)
  if (seen(e.record)) words.push('the server recorded the same attempt')
  return `${words.join('; ')}.`
}

function toDo(connection: Finding[], sentence: string, e: Evidence, host: ResultHost): Node[] {
  const shown = connection.filter((f, i) => host.detailed || i === 0 && f.severity !== 'info' || f.severity === 'critical')
  const notes = connection.length - shown.length
  return [
    ...shown.length === 0 ? [el('p', {}, 'Nothing: no problem of the connection was found.')] : shown.map((f) => drawFinding(f, e, host, f.title !== sentence)),
    ...notes > 0 ? [el('p', { class: 'pd-quiet' }, `${String(notes)} more ${notes === 1 ? 'note' : 'notes'} in the detailed view.`)] : [],
  ]
}

// By severity; what is only worth knowing waits for the detailed view.
function security(posture: Finding[], e: Evidence, host: ResultHost): Node[] {
  if (posture.length === 0) return [el('p', {}, e.security === 'unknown' ? 'This page found nothing. The server’s own list could not be read.' : 'Nothing was found.')]
  const count = (['critical', 'warning', 'info'] as const).map((s) => ({ s, n: posture.filter((f) => f.severity === s).length })).filter(({ n }) => n > 0)
  return [
    el('ul', { class: 'pd-counts', 'aria-label': 'Security by severity' }, ...count.map(({ s, n }) => el('li', { 'data-severity': s }, `${severityWords[s]}: ${String(n)}`))),
    ...posture.filter((f) => host.detailed || f.severity !== 'info').map((f) => drawFinding(f, e, host)),
  ]
}

/** The eight steps as a waterfall on one clock. */
export function drawSteps(all: Step[], detailed: boolean): HTMLElement {
  const end = Math.max(1, ...all.map((s) => (s.from ?? 0) + (s.took ?? 0)))
  return el('ol', { class: 'pd-steps' }, ...all.map((s) => el('li', { 'data-state': s.state },
    el('span', { class: 'pd-state' }, words[s.state]), el('span', {}, `${String(s.number)}. ${s.name}`),
    waterfall(s, end),
    el('span', { class: 'pd-time' }, s.took === undefined ? '' : ms(s.took)), detailed || s.state !== 'ok' ? el('span', { class: 'pd-quiet pd-detail' }, s.detail) : undefined)))
}

function waterfall(s: Step, end: number): HTMLElement {
  const room = el('span', { class: 'pd-fall', 'aria-hidden': 'true' })
  if (s.from !== undefined && s.took !== undefined) {
    const bar = el('span')
    bar.style.insetInlineStart = `${String(Math.min(98.5, 100 * s.from / end))}%`
    bar.style.inlineSize = `${String(Math.max(1.5, 100 * s.took / end))}%`
    room.append(bar)
  }
  return room
}

function drawMeasured(e: Evidence): HTMLElement {
  const rows: string[][] = []
  if (e.echo !== 'skipped') {
    const middle = median(e.echo.samples)
    if (middle !== undefined) rows.push(['Round trip', `${ms(middle)} (median of ${String(e.echo.samples.length)}), ${ms(Math.min(...e.echo.samples))} to ${ms(Math.max(...e.echo.samples))}, jitter ${ms(jitter(e.echo.samples))}`])
    if (e.echo.throughput > 0) rows.push(['Throughput there and back', `${(e.echo.throughput / 1e6).toFixed(1)} MB/s`])
    if (e.echo.sizes.length > 0) rows.push(['Message sizes in bytes', e.echo.sizes.map((s) => `${String(s.bytes)}${s.binary ? ' binary' : ''}: ${s.returned}`).join(', ')])
  }
  if (e.clockOffsetMs !== undefined) rows.push(['Server’s clock', `${e.clockOffsetMs > 0 ? '+' : ''}${ms(e.clockOffsetMs)} ± ${ms(e.clockErrorMs ?? 0)}`])
  for (const side of e.long.sides ?? []) rows.push([side.label, `HTTP ${side.http.state === 'answered' ? String(side.http.status) : side.http.state}, WebSocket ${side.attempt.state === 'done' ? side.attempt.opened ? 'opens' : 'does not open' : side.attempt.state === 'threw' ? side.attempt.name : side.attempt.why}`])
  if (rows.length === 0) return el('p', {}, 'Nothing could be measured.')
  return table(['what', 'value'], rows, 'Measured')
}

// Mean difference of successive round trips (RFC 3550, section 6.4.1, unsmoothed).
function jitter(samples: readonly number[]): number {
  const steps = samples.slice(1).map((s, i) => Math.abs(s - (samples[i] ?? s)))
  return steps.length === 0 ? 0 : steps.reduce((a, b) => a + b, 0) / steps.length
}

const names: Readonly<Record<string, string>> = {
  websocket: 'WebSocket API', secureContext: 'Secure context', online: 'Online', visible: 'Page visible', origin: 'Page’s origin', protocol: 'Page’s scheme',
  serviceWorker: 'Service worker', userAgent: 'Browser', language: 'Language', connection: 'Kind of network',
}

function drawEnvironment(e: Evidence): HTMLElement {
  return table(['what', 'value'], [
    ['WebSocket address', e.target.ws], ['API', e.target.http], ['Origin asked for', e.target.origin],
    ...Object.entries(e.browser).map(([k, v]) => [names[k] ?? k, v === true ? 'yes' : v === false ? 'no' : v === '' ? 'not told' : String(v)]),
  ], 'Environment')
}
