/** What the client needs from its surroundings; tests pass their own. */
export interface Env {
  /** Milliseconds since 1970. */
  now(): number
  setTimeout(run: () => void, ms: number): number
  clearTimeout(timer: number): void
  /** Uniform in [0, 1). */
  random(): number
  /** A random string of [A-Za-z0-9_-], unguessable where the platform can. */
  randomKey(length: number): string
  connect(url: string, protocols: string[]): Socket
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

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

function randomKey(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length))
  return Array.from(bytes, (byte) => alphabet[byte & 63]).join('')
}

export const browserEnv: Env = {
  now: () => Date.now(),
  setTimeout: (run, ms) => window.setTimeout(run, ms),
  clearTimeout: (timer) => {
    window.clearTimeout(timer)
  },
  random: () => Math.random(),
  randomKey,
  connect: (url, protocols) => new WebSocket(url, protocols) as Socket,
}
