import type { Evidence } from './evidence'
import { median } from './facts'
import type { Finding } from './finding'
import type { Run } from './run'
import { steps } from './steps'

/** What may leave the browser: no names, tokens, keys or paths with queries. */
export interface Report {
  format: 'partyline-diagnosis/1'
  started_at: string
  took_ms: number
  trace: string
  verdict: Run['verdict']
  findings: Finding[]
  steps: ReturnType<typeof steps>
  environment: Omit<Evidence['browser'], 'origin'> & { origin: string }
  target: Evidence['target']
  measured: { rtt_ms: number | null; rtt_samples: number; throughput_bytes_s: number; clock_offset_ms: number | null }
  evidence: unknown
}

const secretParams = /([?&](?:token|client|user|access_token|key|admin)=)[^&\s"'#]*/gi
const secretProtocols = /\b(bearer|client)\.[A-Za-z0-9._~+/=-]+/g
const jwt = /\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*/g
const credentials = /(\b[a-z][a-z0-9+.-]*:\/\/)[^/\s@"']+@/gi
const fragment = /#admin=[^\s"'&]*/gi

/** Takes secrets out of a text. */
export function redact(text: string): string {
  return text.replace(secretParams, '$1…').replace(secretProtocols, '$1.…').replace(jwt, '…').replace(credentials, '$1…@').replace(fragment, '#admin=…')
}

function redactAll(value: unknown): unknown {
  if (typeof value === 'string') return redact(value)
  if (Array.isArray(value)) return value.map(redactAll)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, redactAll(v)]))
  return value
}

/** The report of a run, redacted. */
export function report(run: Run): Report {
  const e = run.evidence
  const whole: Report = {
    format: 'partyline-diagnosis/1', started_at: new Date(run.startedAt).toISOString(), took_ms: Math.round(run.tookMs), trace: run.trace,
    verdict: run.verdict, findings: run.findings, steps: steps(e), environment: e.browser, target: e.target,
    measured: {
      rtt_ms: e.echo === 'skipped' ? null : median(e.echo.samples) ?? null, rtt_samples: e.echo === 'skipped' ? 0 : e.echo.samples.length,
      throughput_bytes_s: e.echo === 'skipped' ? 0 : e.echo.throughput, clock_offset_ms: e.clockOffsetMs ?? null,
    },
    evidence: { ...e, browser: undefined, target: undefined },
  }
  return redactAll(whole) as Report
}

export interface Difference {
  what: string
  before: string
  now: string
}

/** What changed between two runs: findings gone and new, steps, round trip. */
export function compare(before: Report, now: Report): Difference[] {
  const out: Difference[] = []
  if (before.verdict.code !== now.verdict.code) out.push({ what: 'Verdict', before: before.verdict.sentence, now: now.verdict.sentence })
  now.steps.forEach((step, i) => {
    const old = before.steps[i]
    if (old && old.state !== step.state) out.push({ what: `Step ${String(step.number)}: ${step.name}`, before: old.state, now: step.state })
  })
  const codes = (r: Report) => new Set(r.findings.filter((f) => f.code !== 'server_posture').map((f) => f.code))
  const [old, recent] = [codes(before), codes(now)]
  for (const f of before.findings) if (old.has(f.code) && !recent.has(f.code)) out.push({ what: 'Finding', before: f.title, now: 'gone' })
  for (const f of now.findings) if (recent.has(f.code) && !old.has(f.code)) out.push({ what: 'Finding', before: 'not there', now: f.title })
  const [a, b] = [before.measured.rtt_ms, now.measured.rtt_ms]
  if (a !== null && b !== null && Math.abs(a - b) > Math.max(5, a / 2)) out.push({ what: 'Round trip', before: `${a.toFixed(1)} ms`, now: `${b.toFixed(1)} ms` })
  return out
}

/** Reads a report that was kept; null if it is none. */
export function readReport(text: string | null): Report | null {
  try {
    const value = JSON.parse(text ?? 'null') as Report | null
    return value?.format === 'partyline-diagnosis/1' && Array.isArray(value.findings) && Array.isArray(value.steps) ? value : null
  } catch {
    return null
  }
}
