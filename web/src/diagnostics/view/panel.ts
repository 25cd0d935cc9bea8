import type { ResumeOptions } from '../checks/extra'
import { diagnose, verdict } from '../diagnose'
import type { DiagEnv } from '../env'
import { ours } from '../facts'
import { compare, readReport, report, type Report } from '../report'
import { run, type Progress, type Run, type RunOptions } from '../run'
import { steps } from '../steps'
import { button, el } from './dom'
import { drawLong, longTests, type LongTest } from './long'
import { drawResult, drawSteps, section } from './result'
import { drawStatistics, type OwnAttempt } from './statistics'

/** What a page gives to the panel. */
export interface PanelHost {
  env: DiagEnv
  /** What to diagnose now; a text says what is wrong with the settings. */
  setup: () => Omit<RunOptions, 'env' | 'signal' | 'onProgress'> | string
  /** Begin by itself. Never for a page whose settings a stranger could choose. */
  autoStart: boolean
  /** The chat's own connection rests while the test runs. */
  pause: () => void
  resume: () => void
  loadLast: () => string | null
  saveLast: (report: string) => void
  help: (code: string) => string
  heartbeatS: () => number
  /** For the resume test; undefined: there is no room to test with. */
  room: () => ResumeOptions | undefined
  /** Attempts of this page, newest first. */
  own: () => OwnAttempt[]
  /** Token of the administration, for the statistics; null: none. */
  token: () => string | null
}

/** The diagnosis as a part of a page. The result ends it and takes it away. */
export function mountPanel(root: HTMLElement, host: PanelHost): () => void {
  const panel = new Panel(root, host)
  if (host.autoStart) void panel.start()
  return () => { panel.end() }
}

class Panel {
  private readonly root: HTMLElement
  private readonly host: PanelHost
  private readonly head = el('div', { class: 'pd-head' })
  private readonly body = el('div', { class: 'pd-body' })
  private readonly statistics = el('div', { class: 'pd-statistics' })
  private readonly foot = el('div', { class: 'pd-foot' })
  private readonly said = el('p', { class: 'pd-quiet', role: 'status', 'aria-label': 'Progress' })
  private readonly bar = el('progress', { max: '100', value: '0', 'aria-label': 'Progress of the diagnosis', hidden: true })
  private readonly gone = new AbortController()
  private stop: AbortController | null = null
  private running: string | null = null // name of a long test
  private result: Run | null = null
  private before: Report | null = null
  private detailed = false

  constructor(root: HTMLElement, host: PanelHost) {
    this.root = root
    this.host = host
    root.classList.add('pd')
    root.replaceChildren(this.head, el('div', { class: 'pd-progress' }, this.bar, this.said), this.body, this.statistics, this.foot)
    this.draw()
  }

  end(): void {
    this.stop?.abort()
    this.gone.abort()
    this.root.replaceChildren()
  }

  private draw(): void {
    const { result } = this
    const diagnosing = this.stop !== null && this.running === null
    this.bar.hidden = !diagnosing
    this.head.replaceChildren(
      el('div', { class: 'pd-row' }, ...diagnosing
        ? [button('Cancel', () => { this.stop?.abort() })]
        : [button(result ? 'Run again' : 'Run diagnosis', () => { void this.start() }, { class: 'main', disabled: this.running !== null }),
            ...result ? this.exports(result) : []]),
      el('div', { class: 'pd-tabs', role: 'group', 'aria-label': 'View' },
        button('Compact', () => { this.show(false) }, { 'aria-pressed': String(!this.detailed) }),
        button('Detailed', () => { this.show(true) }, { 'aria-pressed': String(this.detailed) })))
    if (result) this.body.replaceChildren(...this.drawn(result))
    this.foot.replaceChildren(...result && !diagnosing ? this.long(result) : [])
  }

  private drawn(result: Run): HTMLElement[] {
    return drawResult(result, this.before ? compare(this.before, report(result)) : null, {
      detailed: this.detailed, help: this.host.help, copy: (text) => { void this.copy(text) },
      width: Math.max(300, Math.min(this.body.clientWidth, 860)),
    })
  }

  private show(detailed: boolean): void {
    this.detailed = detailed
    this.draw()
  }

  private say(text: string): void {
    this.said.textContent = text
  }

  private progress({ share, words, evidence }: Progress): void {
    const percent = Math.round(share * 100)
    this.bar.value = percent
    this.say(`${String(percent)} %: ${words}`)
    this.body.replaceChildren(section('Network trace', [drawSteps(steps(evidence), false)]))
  }

  async start(): Promise<void> {
    const setup = this.host.setup()
    if (typeof setup === 'string') {
      this.say(setup)
      return
    }
    const stop = this.stop = new AbortController()
    this.before = readReport(this.host.loadLast())
    this.result = null
    this.host.pause()
    this.statistics.replaceChildren()
    this.body.replaceChildren()
    this.draw()
    try {
      const result = await run({ ...setup, env: this.host.env, signal: stop.signal, onProgress: (p) => { this.progress(p) } })
      if (this.gone.signal.aborted) return
      this.result = result
      this.say(stop.signal.aborted ? 'Cancelled.' : 'Done.')
      if (!stop.signal.aborted) this.host.saveLast(JSON.stringify(report(result)))
    } finally {
      this.stop = null
      this.host.resume()
      if (!this.gone.signal.aborted) this.draw()
    }
    this.count(this.result)
  }

  // Asked after the verdict, which it must not delay.
  private count({ evidence, trace }: Run): void {
    if (!ours(evidence.status)) return
    const latest = { trace, at: this.host.env.date(), words: 'this diagnosis', failed: this.result?.verdict.severity === 'critical' }
    this.statistics.replaceChildren(section('Connection statistics', [drawStatistics({
      env: this.host.env, base: evidence.target.http, token: this.host.token(), own: [latest, ...this.host.own()],
    }, this.gone.signal)]))
  }

  private exports(result: Run): HTMLElement[] {
    const text = () => JSON.stringify(report(result), null, 2)
    return [button('Copy report', () => { void this.copy(text()) }), button('Download', () => { download(text(), result.trace) })]
  }

  private long(result: Run): HTMLElement[] {
    if (!ours(result.evidence.status)) return []
    const tests = longTests(this.host.env, result.evidence, this.host.heartbeatS(), this.host.room())
    return [section('Long tests', [drawLong(tests, result.evidence.long, this.running, (test) => { void this.take(test) }, () => { this.stop?.abort() })])]
  }

  // Adds what a long test found, and judges all anew.
  private async take(test: LongTest): Promise<void> {
    const result = this.result
    if (!result || this.stop) return
    const stop = this.stop = new AbortController()
    this.running = test.name
    this.say(`${test.name}: ${test.takes}`)
    this.draw()
    try {
      const found = await test.run(stop.signal, (words) => { this.say(`${test.name}: ${words}`) })
      if (!stop.signal.aborted) {
        const evidence = { ...result.evidence, long: { ...result.evidence.long, ...found } }
        const findings = diagnose(evidence)
        this.result = { ...result, evidence, findings, verdict: verdict(evidence, findings) }
      }
      this.say(stop.signal.aborted ? 'Cancelled.' : `${test.name}: done.`)
    } finally {
      this.stop = this.running = null
      if (!this.gone.signal.aborted) this.draw()
    }
  }

  private async copy(text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text)
      this.say('Copied.')
    } catch {
      this.say('This page may not copy: use the download, or select the text.')
    }
  }
}

function download(text: string, trace: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  const link = el('a', { href: url, download: `partyline-diagnosis-${trace.slice(0, 8)}.json` })
  link.click()
  setTimeout(() => { URL.revokeObjectURL(url) }, 10_000)
}
