import { idleLadder, ladderSeconds, repeated, streaming } from '../checks/long'
import { diagnose, verdict } from '../diagnose'
import type { DiagEnv } from '../env'
import type { LongTests } from '../evidence'
import { ours } from '../facts'
import { compare, report, type Report } from '../report'
import { run, type Run, type RunOptions } from '../run'
import { button, el } from './dom'
import { drawResult } from './result'

/** What a page gives to the panel. */
export interface PanelHost {
  env: DiagEnv
  /** What to diagnose now; a text says what is wrong with the settings. */
  setup: () => Omit<RunOptions, 'env' | 'signal' | 'onProgress'> | string
  /** The chat's own connection rests while the test runs. */
  pause: () => void
  resume: () => void
  loadLast: () => string | null
  saveLast: (report: string) => void
  help: (code: string) => string
  heartbeatS: number
}

/** The diagnosis as a part of a page. The result ends it and takes it away. */
export function mountPanel(root: HTMLElement, host: PanelHost): () => void {
  const panel = new Panel(root, host)
  return () => { panel.end() }
}

class Panel {
  private readonly root: HTMLElement
  private readonly host: PanelHost
  private readonly head = el('div', { class: 'pd-head' })
  private readonly body = el('div', { class: 'pd-body' })
  private readonly foot = el('div', { class: 'pd-foot' })
  private readonly said = el('p', { class: 'pd-quiet', role: 'status', 'aria-label': 'Progress' })
  private stop: AbortController | null = null
  private result: Run | null = null
  private before: Report | null = null
  private detailed = false

  constructor(root: HTMLElement, host: PanelHost) {
    this.root = root
    this.host = host
    root.classList.add('pd')
    root.replaceChildren(this.head, this.said, this.body, this.foot)
    this.draw()
  }

  end(): void {
    this.stop?.abort()
    this.root.replaceChildren()
  }

  private draw(): void {
    const busy = this.stop !== null
    this.head.replaceChildren(
      busy ? button('Cancel', () => { this.stop?.abort() }) : button(this.result ? 'Run again' : 'Run diagnosis', () => { void this.start() }, { class: 'main' }),
      el('div', { class: 'pd-tabs', role: 'group', 'aria-label': 'View' },
        button('Compact', () => { this.show(false) }, { 'aria-pressed': String(!this.detailed) }),
        button('Detailed', () => { this.show(true) }, { 'aria-pressed': String(this.detailed) })))
    this.body.replaceChildren(...this.result ? [this.drawn(this.result)] : [])
    this.foot.replaceChildren(...this.result && !busy ? this.actions(this.result) : [])
  }

  private drawn(result: Run): HTMLElement {
    return drawResult(result, this.before ? compare(this.before, report(result)) : null, {
      detailed: this.detailed, help: this.host.help, copy: (text) => { void this.copy(text) },
    })
  }

  private show(detailed: boolean): void {
    this.detailed = detailed
    this.draw()
  }

  private say(text: string): void {
    this.said.textContent = text
  }

  private async start(): Promise<void> {
    const setup = this.host.setup()
    if (typeof setup === 'string') {
      this.say(setup)
      return
    }
    const stop = this.stop = new AbortController()
    this.before = readReport(this.host.loadLast())
    this.result = null
    this.host.pause()
    this.draw()
    try {
      this.result = await run({
        ...setup, env: this.host.env, signal: stop.signal,
        onProgress: ({ share, words }) => { this.say(`${String(Math.round(share * 100))} %: ${words}`) },
      })
      this.say(stop.signal.aborted ? 'Cancelled.' : 'Done.')
      if (!stop.signal.aborted) this.host.saveLast(JSON.stringify(report(this.result)))
    } finally {
      this.stop = null
      this.host.resume()
      this.draw()
    }
  }

  private actions(result: Run): HTMLElement[] {
    const text = () => JSON.stringify(report(result), null, 2)
    const target = result.evidence.target, env = this.host.env
    const long = (name: string, test: (signal: AbortSignal) => Promise<Partial<LongTests>>) => button(name, () => { void this.long(name, test) })
    return [
      el('div', { class: 'pd-row' }, button('Copy report', () => { void this.copy(text()) }), button('Download report', () => { download(text(), result.trace) })),
      ours(result.evidence.status)
        ? el('div', { class: 'pd-row', role: 'group', 'aria-label': 'Long tests' },
            long('Test quiet connections (4 min)', async (signal) => ({ ladder: await idleLadder(env, target, ladderSeconds, this.host.heartbeatS, signal, (s) => { this.say(`Quiet connections: ${String(s)} s left`) }) })),
            long('Open five connections', async (signal) => ({ repeat: await repeated(env, target, 5, signal) })),
            long('Test streaming', async (signal) => ({ stream: await streaming(env, target, signal) })))
        : el('p', { class: 'pd-quiet' }, 'The long tests need a server that answers.'),
    ]
  }

  // Adds what a long test found, and judges all anew.
  private async long(name: string, test: (signal: AbortSignal) => Promise<Partial<LongTests>>): Promise<void> {
    const result = this.result
    if (!result) return
    const stop = this.stop = new AbortController()
    this.say(name)
    this.draw()
    try {
      const found = await test(stop.signal)
      if (!stop.signal.aborted) {
        const evidence = { ...result.evidence, long: { ...result.evidence.long, ...found } }
        const findings = diagnose(evidence)
        this.result = { ...result, evidence, findings, verdict: verdict(evidence, findings) }
      }
      this.say(stop.signal.aborted ? 'Cancelled.' : `${name}: done.`)
    } finally {
      this.stop = null
      this.draw()
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

function readReport(text: string | null): Report | null {
  try {
    const value = JSON.parse(text ?? 'null') as Report | null
    return value?.format === 'partyline-diagnosis/1' && Array.isArray(value.findings) && Array.isArray(value.steps) ? value : null
  } catch {
    return null
  }
}

function download(text: string, trace: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  const link = el('a', { href: url, download: `partyline-diagnosis-${trace.slice(0, 8)}.json` })
  link.click()
  setTimeout(() => { URL.revokeObjectURL(url) }, 10_000)
}
