import type { Evidence } from '../evidence'
import { answered, median, ms } from '../facts'
import type { Finding } from '../finding'
import { fixes, programOf, type Program } from '../fixes'
import type { Difference } from '../report'
import type { Run } from '../run'
import { steps, timeline, type StepState } from '../steps'
import { button, el, table } from './dom'
import { drawTimeline } from './timeline'

const words: Record<StepState, string> = { ok: '✓ good', warning: '! look', failed: '✕ failed', unknown: '? not known', not_reached: '– not reached' }
const confidence = { proved: 'proved', likely: 'likely', unknown: 'cause not certain' } as const

export interface ResultHost {
  detailed: boolean
  help: (code: string) => string
  copy: (text: string) => void
}

/** The verdict, what to do, the trace, the rest. */
export function drawResult(run: Run, differences: Difference[] | null, host: ResultHost): HTMLElement {
  const { evidence: e, findings } = run
  const connection = findings.filter((f) => f.kind === 'connection'), posture = findings.filter((f) => f.kind === 'posture')
  return el('div', {},
    drawVerdict(run),
    section('What to do', connection.length === 0 ? [el('p', {}, 'Nothing: no problem of the connection was found.')] : connection.filter((f, i) => host.detailed || i === 0 || f.severity === 'critical').map((f) => drawFinding(f, e, host))),
    differences !== null && section('Compared with the last run', [differences.length === 0 ? el('p', {}, 'Nothing changed.') : table(['what', 'before', 'now'], differences.map((d) => [d.what, d.before, d.now]), 'Differences')]),
    section('Network trace', [drawTimeline(timeline(e)), drawSteps(e, host.detailed)]),
    section('Security', posture.length === 0 ? [el('p', {}, 'Nothing was found.')] : posture.filter((f) => host.detailed || f.severity !== 'info').map((f) => drawFinding(f, e, host))),
    host.detailed && section('Measured', [drawMeasured(e)]),
    host.detailed && section('Environment', [drawEnvironment(e)]),
    el('p', { class: 'pd-quiet' }, `Share code for support: `, el('code', {}, run.trace), ` · took ${(run.tookMs / 1000).toFixed(1)} s${run.cancelled ? ' · cancelled' : ''}`),
  )
}

function section(title: string, children: Node[]): HTMLElement {
  return el('section', { class: 'pd-section' }, el('h3', {}, title), ...children)
}

function drawVerdict({ verdict: v, findings }: Run): HTMLElement {
  const best = findings.find((f) => f.code === v.code)
  return el('div', { class: 'pd-verdict', 'data-severity': v.severity, role: 'status', 'aria-label': 'Verdict', 'data-code': v.code, 'data-confidence': v.confidence },
    el('strong', {}, v.sentence),
    el('span', { class: 'pd-quiet' }, v.severity === 'ok' ? 'proved' : `${v.severity}, ${confidence[v.confidence]}`),
    best?.evidence[0] !== undefined && el('p', {}, best.evidence[0]))
}

function drawFinding(f: Finding, e: Evidence, host: ResultHost): HTMLElement {
  return el('article', { class: 'pd-finding', 'data-severity': f.severity },
    el('h4', {}, f.title),
    el('p', { class: 'pd-quiet' }, `${f.severity}, ${confidence[f.confidence]} · `, el('a', { href: host.help(f.code), target: '_blank', rel: 'noreferrer' }, f.code)),
    el('p', {}, f.advice.text),
    f.advice.command !== undefined && copyable(f.advice.command, host, 'Copy command'),
    f.advice.fix !== undefined && drawFix(f.advice.fix, e, host),
    host.detailed && el('ul', {}, ...f.evidence.map((line) => el('li', {}, line))))
}

function copyable(text: string, host: ResultHost, label: string): HTMLElement {
  return el('div', { class: 'pd-code' }, el('pre', { tabindex: '0', 'aria-label': 'Text to copy' }, text), button(label, () => { host.copy(text) }))
}

function drawFix(name: string, e: Evidence, host: ResultHost): HTMLElement | undefined {
  const fix = fixes[name]
  if (!fix) return undefined
  const from = answered(e.route) ? e.route : answered(e.status) ? e.status : undefined
  const programs = Object.keys(fix) as Program[]
  const guess = programOf(from?.server ?? '', from?.via ?? '')
  const box = el('div', { class: 'pd-fix' })
  const show = (program: Program) => {
    box.replaceChildren(
      el('div', { class: 'pd-tabs', role: 'group', 'aria-label': 'Program' }, ...programs.map((p) => button(p === 'cloud' ? 'Cloud balancer' : p, () => { show(p) }, { 'aria-pressed': String(p === program) }))),
      copyable(fix[program] ?? '', host, 'Copy the fix'))
  }
  show(fix[guess] === undefined ? programs[0] ?? 'nginx' : guess)
  return box
}

function drawSteps(e: Evidence, detailed: boolean): HTMLElement {
  return el('ol', { class: 'pd-steps' }, ...steps(e).map((s) => el('li', { 'data-state': s.state },
    el('span', { class: 'pd-state' }, words[s.state]), el('span', {}, `${String(s.number)}. ${s.name}`),
    el('span', { class: 'pd-time' }, s.took === undefined ? '' : ms(s.took)), detailed || s.state !== 'ok' ? el('span', { class: 'pd-quiet' }, s.detail) : undefined)))
}

function drawMeasured(e: Evidence): HTMLElement {
  const rows: string[][] = []
  if (e.echo !== 'skipped') {
    const middle = median(e.echo.samples)
    if (middle !== undefined) rows.push(['Round trip', `${ms(middle)} (median of ${String(e.echo.samples.length)}), ${ms(Math.min(...e.echo.samples))} to ${ms(Math.max(...e.echo.samples))}`])
    if (e.echo.throughput > 0) rows.push(['Throughput there and back', `${(e.echo.throughput / 1e6).toFixed(1)} MB/s`])
    rows.push(['Message sizes', e.echo.sizes.map((s) => `${String(s.bytes)}${s.binary ? ' binary' : ''}: ${s.returned}`).join(', ')])
  }
  if (e.clockOffsetMs !== undefined) rows.push(['Server’s clock', `${e.clockOffsetMs > 0 ? '+' : ''}${ms(e.clockOffsetMs)} ± ${ms(e.clockErrorMs ?? 0)}`])
  for (const rung of e.long.ladder?.rungs ?? []) rows.push([`Quiet for ${String(rung.idleS)} s`, rung.outcome === 'cut' ? `cut after ${String(rung.cutAfterS ?? 0)} s` : rung.outcome])
  if (e.long.repeat) rows.push(['Repeated', `${String(e.long.repeat.tried - e.long.repeat.failed)} of ${String(e.long.repeat.tried)} opened`])
  if (e.long.stream) rows.push(['Streaming', `${String(e.long.stream.chunks)} pieces over ${ms(e.long.stream.spreadMs)}`])
  return table(['what', 'value'], rows, 'Measured')
}

function drawEnvironment(e: Evidence): HTMLElement {
  return table(['what', 'value'], [
    ['WebSocket address', e.target.ws], ['API', e.target.http], ['Origin', e.target.origin],
    ...Object.entries(e.browser).map(([k, v]) => [k, String(v)]),
  ], 'Environment')
}
