import type { Env } from './env'
import type { StateChange } from './journal'
import type { Snapshot } from './snapshot'
import type { Store } from './store'

/** What a server wants of reports: analytics.client-reports. */
export type Consent = 'ask' | 'on' | 'off'

/** One attempt that failed, as this browser saw it. No names, no tokens, no texts. */
export interface FailedAttempt {
  trace: string
  /** Milliseconds since 1970. */
  at: number
  why: string
  reached: 'nothing' | 'online'
  /** Until it failed, or was lost. */
  ms: number
}

/** The part of fetch that reports need. */
export type Ask = (path: string, body?: object) => Promise<{ status: number; body: unknown }>

export interface ReportsOptions {
  env: Pick<Env, 'now' | 'date'>
  store: Store
  ask: Ask
  /** Address of the chat, for scheme, host and path. */
  url: string
  surroundings(): { language: string; connection: string; online: boolean; secure: boolean }
  /** Called when the person has to be asked, with the number of reports. */
  onQuestion(count: number): void
}

const key = 'partyline.reports'
const answerKey = 'partyline.reports.consent'
const most = 10 // kept; the server takes as many an hour
const same = 10 * 60_000 // milliseconds within which a cause is kept once
const oldest = 7 * 86_400_000 // milliseconds

// The server meant these, or this page did: nothing failed.
const meant = new Set(['starting', 'closed', 'drain', 'kicked', 'token_expired', 'by_hand', 'unconfirmed', 'flood'])

/**
 * Keeps the attempts that failed, also those that never reached the server, and
 * sends them once a connection works again, if server and person agree.
 */
export class Reports {
  private readonly o: ReportsOptions
  private readonly taken = new WeakSet<StateChange>()
  private sending = false

  constructor(options: ReportsOptions) {
    this.o = options
  }

  /** To be called for every snapshot. */
  watch({ log, connection, server }: Pick<Snapshot, 'log' | 'connection' | 'server'>): void {
    log.forEach((entry, i) => {
      if (this.taken.has(entry)) return
      this.taken.add(entry)
      this.note(entry, log.slice(0, i))
    })
    if (connection.name === 'online' && server && this.kept().length > 0) void this.offer(server.reportKey)
  }

  /** The person's answer, which is kept. */
  decide(yes: boolean, reportKey: string): void {
    this.o.store.set(answerKey, yes ? 'yes' : 'no')
    if (yes) void this.offer(reportKey)
    else this.o.store.remove(key)
  }

  /** The attempts that wait, oldest first. Others may have written them: everything is checked. */
  kept(): FailedAttempt[] {
    try {
      const list: unknown = JSON.parse(this.o.store.get(key) ?? '[]')
      const now = Math.max(this.o.env.now(), this.o.env.date()) // of another tab, which has not slept
      return (Array.isArray(list) ? list : []).filter(isFailedAttempt).filter((f) => f.at > now - oldest && f.at <= now).slice(-most)
    } catch {
      return []
    }
  }

  private note(entry: StateChange, before: readonly StateChange[]): void {
    if (entry.state.name !== 'waiting' || entry.trace === '' || meant.has(entry.state.why) || this.o.store.get(answerKey) === 'no') return
    const { why } = entry.state
    const online = before.findLast((other) => other.trace === entry.trace && other.state.name === 'online')
    const began = online ?? before.findLast((other) => other.state.name === 'connecting')
    const failed: FailedAttempt = { trace: entry.trace, at: entry.at, why, reached: online ? 'online' : 'nothing', ms: Math.max(0, entry.at - (began?.at ?? entry.at)) }
    const kept = this.kept()
    // A server that is away fails many attempts alike: one tells it.
    if (kept.some((f) => f.trace === failed.trace || f.why === why && f.reached === failed.reached && failed.at - f.at < same)) return
    this.keep([...kept, failed])
  }

  private keep(list: FailedAttempt[]): void {
    if (list.length === 0) this.o.store.remove(key)
    else this.o.store.set(key, JSON.stringify(list.slice(-most)))
  }

  private async offer(reportKey: string): Promise<void> {
    if (this.sending || this.o.store.get(answerKey) === 'no') return
    this.sending = true
    try {
      const consent = readConsent((await this.o.ask('/chat/status/')).body)
      if (consent === 'off') this.keep([])
      else if (consent === 'ask' && this.o.store.get(answerKey) !== 'yes') this.o.onQuestion(this.kept().length)
      else await this.send(reportKey)
    } catch {
      // The next success is soon enough.
    } finally {
      this.sending = false
    }
  }

  private async send(reportKey: string): Promise<void> {
    for (const failed of this.kept()) {
      const { status } = await this.o.ask('/api/v1/diagnostics/reports', this.body(failed, reportKey))
      // Too often, or not now: another time. Whatever else: it will not be taken later.
      if (status === 429 || status >= 500) return
      this.keep(this.kept().filter((f) => f.trace !== failed.trace))
    }
  }

  private body(f: FailedAttempt, reportKey: string): object {
    const url = new URL(this.o.url)
    return {
      trace: f.trace, report_key: reportKey, verdict: f.why, confidence: 'unknown', reached: f.reached, duration_us: Math.round(f.ms * 1000),
      scheme: url.protocol.replace(':', ''), host: url.host, path: url.pathname, at: new Date(f.at).toISOString(), environment: this.o.surroundings(),
    }
  }
}

/** Reads what the status says; a server that says nothing wants none. */
export function readConsent(status: unknown): Consent {
  const value = (status as { client_reports?: unknown } | null)?.client_reports
  return value === 'on' || value === 'ask' ? value : 'off'
}

function isFailedAttempt(value: unknown): value is FailedAttempt {
  const f = value as Partial<FailedAttempt> | null
  return typeof f === 'object' && f !== null && typeof f.trace === 'string' && /^[A-Za-z0-9_-]{16,64}$/.test(f.trace) && typeof f.at === 'number' && Number.isFinite(f.at)
    && typeof f.why === 'string' && /^[a-z_]{1,32}$/.test(f.why) && (f.reached === 'nothing' || f.reached === 'online') && typeof f.ms === 'number' && f.ms >= 0 && f.ms < 86_400_000
}
