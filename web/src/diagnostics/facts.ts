import type { Answer, Evidence, HttpProbe, ServerRecord, ServerStage, SocketAttempt, SocketDone } from './evidence'

/** Short questions to the evidence, so that the tables read like sentences. */

export const answered = (probe: HttpProbe): probe is Answer => probe.state === 'answered'
export const ours = (probe: HttpProbe): probe is Answer => answered(probe) && probe.kind === 'ours'
export const foreign = (probe: HttpProbe): probe is Answer => answered(probe) && probe.kind !== 'ours'
export const failed = (probe: HttpProbe): boolean => probe.state === 'failed' && probe.why !== 'blocked'
export const timedOut = (probe: HttpProbe): boolean => probe.state === 'failed' && probe.why === 'timeout'

export const done = (attempt: SocketAttempt): attempt is SocketDone => attempt.state === 'done'
export const opened = (attempt: SocketAttempt): attempt is SocketDone => done(attempt) && attempt.opened
/** It never opened, and the browser said so. */
export const refusedFast = (attempt: SocketAttempt): attempt is SocketDone => done(attempt) && !attempt.opened && !attempt.timedOut
export const hung = (attempt: SocketAttempt): attempt is SocketDone => done(attempt) && !attempt.opened && attempt.timedOut
export const notOpened = (attempt: SocketAttempt): attempt is SocketDone => done(attempt) && !attempt.opened
/** The first frame of the server came. */
export const works = (attempt: SocketAttempt): boolean =>
  opened(attempt) && attempt.welcomeMs !== undefined && attempt.endedHere && attempt.errors.length === 0

export const seen = (record: ServerRecord): record is Extract<ServerRecord, { state: 'seen' }> => record.state === 'seen'

/** A stage of a record, if it was reached. */
export function stageOf(record: ServerRecord, name: string): ServerStage | undefined {
  return seen(record) ? record.stages.find((s) => s.stage === name) : undefined
}

/** The stage at which the server refused, if it did. */
export function refusal(record: ServerRecord): ServerStage | undefined {
  return seen(record) ? record.stages.find((s) => s.outcome === 'refused') : undefined
}

/** The server wrote its 101. */
export const upgraded = (record: ServerRecord): boolean => {
  const stage = stageOf(record, 'upgraded')
  return stage !== undefined && stage.outcome === 'ok'
}

/** The server ended an open connection, with this stage. */
export function closedByServer(record: ServerRecord): ServerStage | undefined {
  const closed = stageOf(record, 'closed')
  if (!closed || !upgraded(record) || closed.closeBy !== 'server' && closed.closeBy !== 'timeout') return undefined
  const code = closed.closeCode ?? 0
  return code === 0 || code === 1000 || code === 1005 || code === 1006 ? undefined : closed
}

/** The connection ended under the server without a Close frame. */
export function cutAt(record: ServerRecord): ServerStage | undefined {
  const closed = stageOf(record, 'closed')
  return closed && upgraded(record) && closed.closeBy === 'network' ? closed : undefined
}

/** Two addresses share host and port. */
export function sameHost(a: string, b: string): boolean {
  try {
    return new URL(a.replace(/^ws/, 'http')).host === new URL(b.replace(/^ws/, 'http')).host
  } catch {
    return false
  }
}

/** An enforced policy of the page forbids an address. */
export function blockedByPolicy(e: Evidence, address: string): string | undefined {
  return e.violations.find((v) => v.enforced && matches(v.blocked, address))?.directive
}

// Browsers cut blocked addresses of other origins down to the origin.
function matches(blocked: string, address: string): boolean {
  try {
    const a = new URL(blocked), b = new URL(address)
    if (a.protocol !== b.protocol || a.host !== b.host) return false
    return a.pathname === b.pathname || a.pathname === '/' || a.pathname === ''
  } catch {
    return false
  }
}

/** The middle of some numbers; undefined for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

/** A private, loopback or link-local host name, as far as the text tells. */
export function isPrivateHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '')
  return isLoopbackHost(host) || /^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)/.test(name) || /^(f[cd]|fe80:)/i.test(name)
}

export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127\./.test(name)
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : String(Math.round(value))} ms`
