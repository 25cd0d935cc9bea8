/** What the client needs from its surroundings; tests pass their own. */
export interface Env {
  /** Milliseconds since 1970 by a clock that only runs: setting the device's does not move it. */
  now: () => number
  /** Milliseconds since 1970 by the clock of the device, which may be wrong and be set at any time. */
  date: () => number
  setTimeout(run: () => void, ms: number): number
  clearTimeout(timer: number): void
  /** Uniform in [0, 1). */
  random(): number
  /** A random string of [A-Za-z0-9_-], unguessable where the platform can. */
  randomKey(length: number): string
  connect(url: string, protocols: string[]): Socket
  /** Makes clients of one person connect one after another; none: no queue. */
  turns?: Turns
}

/**
 * The queue in which the tabs of one browser reconnect. Ten tabs that lost the
 * same server would otherwise ask it ten times as often.
 */
export interface Turns {
  /** Nobody waits for somebody who is looked at. */
  urgent(): boolean
  /** Calls run once it is this client's turn, which lasts until release. */
  ask(run: (release: () => void) => void): () => void
  /** Tells the others that the server answers again. */
  up(): void
  /** Calls listener when another client says so. */
  onUp(listener: () => void): void
}

/** The part of WebSocket that the client uses. */
export interface Socket {
  onopen: ((event: never) => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onerror: ((event: never) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  send(text: string): void
  close(code?: number): void
}

/**
 * A clock for Env.now: begins at the device's and runs on by itself. While the
 * machine sleeps it may stand still.
 */
export function steadyClock(): () => number {
  const begin = Date.now() - performance.now()
  return () => begin + performance.now()
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

/** Returns length characters of [A-Za-z0-9_-] from the platform's generator. */
export function randomKey(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  return Array.from(bytes, (byte) => alphabet[byte & 63]).join('')
}
