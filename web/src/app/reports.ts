import type { Client } from '../client/client'
import { Reports, type Ask } from '../client/reports'
import type { Store } from '../client/store'

const patience = 5_000 // milliseconds

// Bounded by the server's own answers, which are small; a foreign one is no JSON.
const ask: Ask = async (path, body) => {
  const response = await fetch(path, {
    method: body ? 'POST' : 'GET', cache: 'no-store', credentials: 'omit', redirect: 'error', signal: AbortSignal.timeout(patience),
    ...(body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  })
  return { status: response.status, body: await response.json().catch(() => null) as unknown }
}

/** Keeps and sends reports of failed attempts, as far as server and person want it. */
export class ReportSender {
  private readonly client: Client
  private readonly reports: Reports
  private readonly listeners = new Set<() => void>()
  private waiting = 0

  constructor(client: Client, store: Store) {
    this.client = client
    this.reports = new Reports({
      env: client.o.env, store, ask, url: client.o.urls[0] ?? window.location.href, surroundings,
      onQuestion: (count) => { this.show(count) },
    })
    const watch = () => { this.reports.watch(client.snapshot()) }
    client.subscribe(watch)
    watch()
  }

  /** For React: how many reports wait for an answer. */
  readonly question = (): number => this.waiting
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  decide(yes: boolean): void {
    this.show(0)
    this.reports.decide(yes, this.client.snapshot().server?.reportKey ?? '')
  }

  private show(count: number): void {
    if (this.waiting === count) return
    this.waiting = count
    this.listeners.forEach((listener) => { listener() })
  }
}

function surroundings() {
  const network = (navigator as { connection?: { effectiveType?: string } }).connection
  return { language: navigator.language, connection: network?.effectiveType ?? '', online: navigator.onLine, secure: window.isSecureContext }
}
