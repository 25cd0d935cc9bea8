import { askRecord } from '../checks/record'
import { askStatistics, type Counted, type RecentAttempt, type Statistics, type StatisticsAnswer } from '../checks/statistics'
import type { DiagEnv } from '../env'
import { ms, seen } from '../facts'
import { recordTimeline } from '../steps'
import { button, el, table } from './dom'
import { drawTimeline } from './timeline'

/** An attempt that this page made itself. */
export interface OwnAttempt {
  trace: string
  /** Milliseconds since 1970. */
  at: number
  words: string
  failed: boolean
}

export interface StatisticsHost {
  env: DiagEnv
  base: string
  own: OwnAttempt[]
  /** Of the administration; null: none. */
  token: string | null
}

const outcomes = ['', 'succeeded', 'refused', 'failed', 'abandoned'] as const

/** What the server counted, and the last attempts. Asks by itself; signal ends it. */
export function drawStatistics(host: StatisticsHost, signal: AbortSignal): HTMLElement {
  const box = el('div', { class: 'pd-stack' }, el('p', { class: 'pd-quiet' }, 'Asking the server …'))
  let outcome = ''
  const load = async () => {
    const answer = await askStatistics(host.env, { base: host.base, token: host.token, outcome, traces: host.own.map((o) => o.trace) }, signal)
    if (signal.aborted) return
    const choose = el('select', { 'aria-label': 'Outcome', change: (event) => { outcome = (event.target as HTMLSelectElement).value; void load() } },
      ...outcomes.map((o) => el('option', { value: o, selected: o === outcome }, o === '' ? 'every outcome' : o)))
    box.replaceChildren(...figures(answer),
      el('div', { class: 'pd-row' }, el('h4', {}, 'Recent connection attempts'), choose, button('Refresh', () => { void load() })),
      attempts(answer, host, signal))
  }
  void load()
  return box
}

function figures(answer: StatisticsAnswer): Node[] {
  if (answer.state === 'not_told') return [el('p', { class: 'pd-quiet' }, answer.why)]
  const s = answer.statistics
  const handshake = s.durations.find((d) => d.kind === 'handshake') ?? s.durations[0]
  const users = s.total + s.neverArrived
  const rows: [string, string][] = [
    ['attempts', String(s.total)], ['succeeded', percent(s.successRate)], ['failed', String(s.failed)],
    ['as users saw it', users === 0 ? '–' : percent(s.succeeded / users)], ['never arrived', String(s.neverArrived)],
    ...handshake ? [[`${handshake.kind}, half below`, ms(handshake.p50)], ['95 % below', ms(handshake.p95)], ['average', ms(handshake.avg)]] as [string, string][] : [],
  ]
  return [
    el('dl', { class: 'pd-figures' }, ...rows.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))),
    el('p', { class: 'pd-quiet' }, `${span(s)}. Connections are counted, and none of the diagnosis itself.`),
    bars('Most common errors', s.errors), bars('Close codes', s.closeCodes), bars('How far they came', s.stages),
  ].filter((node) => node !== undefined)
}

const percent = (part: number): string => `${(100 * part).toFixed(part === 1 || part === 0 ? 0 : 1)} %`

function span(s: Statistics): string {
  const [from, to] = [new Date(s.since), new Date(s.until)]
  return Number.isNaN(from.getTime()) || Number.isNaN(to.getTime()) ? 'The last 24 hours' : `${from.toLocaleString()} to ${to.toLocaleString()}`
}

function bars(title: string, counted: Counted[]): HTMLElement | undefined {
  const shown = counted.filter((c) => c.count > 0).slice(0, 8)
  if (shown.length === 0) return undefined
  const most = Math.max(...shown.map((c) => c.count))
  return el('div', { class: 'pd-bars' }, el('h4', {}, title), el('ul', {}, ...shown.map((c) => {
    const bar = el('span', { class: 'pd-bar', 'aria-hidden': 'true' })
    bar.style.width = `${String(Math.max(2, 100 * c.count / most))}%`
    return el('li', {}, el('span', {}, c.name), el('span', { class: 'pd-bar-room' }, bar), el('span', { class: 'pd-time' }, String(c.count)))
  })))
}

function attempts(answer: StatisticsAnswer, host: StatisticsHost, signal: AbortSignal): HTMLElement {
  const rows = answer.state === 'told' ? answer.statistics.attempts : []
  if (rows.length > 0) return el('ul', { class: 'pd-attempts', 'aria-label': 'Attempts as the server saw them' }, ...rows.map((a) => opens(summary(a), a.trace, host, signal)))
  if (host.own.length === 0) return el('p', { class: 'pd-quiet' }, 'None to show.')
  return el('div', { class: 'pd-stack' },
    el('p', { class: 'pd-quiet' }, 'The attempts of this page. With the token of the administration, the server lists those of everybody.'),
    el('ul', { class: 'pd-attempts', 'aria-label': 'Attempts of this page' }, ...host.own.map((o) => opens(
      [el('span', { class: 'pd-state' }, o.failed ? '✕ failed' : '✓ good'), el('span', {}, o.words), el('time', { class: 'pd-time' }, new Date(o.at).toLocaleTimeString())], o.trace, host, signal))))
}

function summary(a: RecentAttempt): HTMLElement[] {
  const at = new Date(a.started)
  const words = [a.path, a.errorType, a.errorDetail, a.closeCode > 0 ? `closed with ${String(a.closeCode)} by ${a.closeBy}` : '', a.openMs === null ? '' : `open after ${ms(a.openMs)}`, `last stage ${a.lastStage}`, a.gateway]
  return [
    el('span', { class: 'pd-state' }, `${a.outcome === 'succeeded' ? '✓' : a.outcome === 'pending' ? '…' : '✕'} ${a.outcome}`),
    el('span', {}, words.filter((w) => w !== '').join(' · ')),
    el('time', { class: 'pd-time' }, Number.isNaN(at.getTime()) ? '' : at.toLocaleTimeString()),
  ]
}

// A row that opens into the server's own account of the attempt.
function opens(head: HTMLElement[], trace: string, host: StatisticsHost, signal: AbortSignal): HTMLElement {
  const inside = el('div', { class: 'pd-stack' })
  let asked = false
  const details = el('details', {
    toggle: () => {
      if (asked || trace === '') return
      asked = true
      inside.replaceChildren(el('p', { class: 'pd-quiet' }, 'Asking the server …'))
      void askRecord(host.env, host.base, trace, signal).then((record) => {
        if (!seen(record)) {
          inside.replaceChildren(el('p', { class: 'pd-quiet' }, record.state === 'none' ? 'No gateway remembers it: it never arrived, or more than an hour ago.' : `Not known: ${record.why}.`))
          return
        }
        inside.replaceChildren(drawTimeline(recordTimeline(record)), table(['stage', 'outcome', 'after', 'detail'], record.stages.map((s) =>
          [s.stage, s.outcome, ms(s.sinceAcceptMs), [s.errorType, s.errorDetail, s.closeBy === undefined ? undefined : `by ${s.closeBy}`, s.closeCode === undefined ? undefined : `code ${String(s.closeCode)}`].filter((t) => t !== undefined).join(', ')]), 'Stages'))
      })
    },
  }, el('summary', {}, ...head), inside)
  return el('li', {}, details)
}
