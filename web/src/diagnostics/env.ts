import type { BrowserFacts, Phases, Violation } from './evidence'

/** The part of WebSocket that the checks use. */
export interface DiagSocket {
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onerror: (() => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  binaryType: string
  readonly protocol: string
  readonly extensions: string
  send(data: string | ArrayBuffer): void
  close(code?: number): void
}

/** The part of Response that the checks use. */
export interface DiagResponse {
  readonly status: number
  /** "opaque", "opaqueredirect", "cors", "basic", … */
  readonly type: string
  readonly headers: { get(name: string): string | null }
  readonly body: ReadableStream<Uint8Array> | null
}

/** Everything that the checks touch; tests pass their own. */
export interface DiagEnv {
  /** Milliseconds, never going back. */
  now(): number
  /** Milliseconds since 1970. */
  date(): number
  setTimeout(run: () => void, ms: number): number
  clearTimeout(timer: number): void
  randomKey(length: number): string
  /** Throws as the constructor does. */
  connect(url: string, protocols: string[]): DiagSocket
  fetch(url: string, init: RequestInit): Promise<DiagResponse>
  /** Size of a picture; rejects when it does not load. */
  image(url: string, signal: AbortSignal): Promise<{ width: number; height: number }>
  phases(url: string): Phases | undefined
  /** Reports violations of the page's policy until the result is called. */
  onViolation(report: (v: Violation) => void): () => void
  facts(): BrowserFacts
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

/** The real browser. */
export const browserDiagEnv: DiagEnv = {
  now: () => performance.now(),
  date: () => Date.now(),
  setTimeout: (run, ms) => window.setTimeout(run, ms),
  clearTimeout: (timer) => { window.clearTimeout(timer) },
  randomKey: (length) => Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => alphabet[byte & 63]).join(''),
  connect: (url, protocols) => new WebSocket(url, protocols) as unknown as DiagSocket,
  fetch: (url, init) => window.fetch(url, init),
  image: loadImage,
  phases,
  onViolation: (report) => {
    const listener = (event: SecurityPolicyViolationEvent) => {
      report({ blocked: event.blockedURI, directive: event.effectiveDirective, enforced: event.disposition === 'enforce' })
    }
    document.addEventListener('securitypolicyviolation', listener)
    return () => { document.removeEventListener('securitypolicyviolation', listener) }
  },
  facts,
}

function loadImage(url: string, signal: AbortSignal): Promise<{ width: number; height: number }> {
  return new Promise((resolve, reject) => {
    const image = new Image()
    const end = (why: string) => {
      image.onload = image.onerror = null
      image.src = ''
      reject(new Error(why))
    }
    image.onload = () => { resolve({ width: image.naturalWidth, height: image.naturalHeight }) }
    image.onerror = () => { end('did not load') }
    signal.addEventListener('abort', () => { end('aborted') }, { once: true })
    image.src = url
  })
}

function phases(url: string): Phases | undefined {
  const entry = performance.getEntriesByName(url, 'resource').at(-1) as PerformanceResourceTiming | undefined
  // Across origins without Timing-Allow-Origin everything but the end is 0.
  if (!entry || entry.requestStart === 0) return undefined
  return {
    dns: entry.domainLookupEnd - entry.domainLookupStart,
    connect: entry.connectEnd - entry.connectStart,
    tls: entry.secureConnectionStart > 0 ? entry.connectEnd - entry.secureConnectionStart : 0,
    firstByte: entry.responseStart - entry.requestStart,
    total: entry.responseEnd - entry.startTime,
    worker: entry.workerStart > 0,
    protocol: entry.nextHopProtocol,
  }
}

function facts(): BrowserFacts {
  const native = (window as { WebSocket?: unknown }).WebSocket
  const network = (navigator as { connection?: { effectiveType?: string } }).connection
  const worker = (navigator as { serviceWorker?: { controller: unknown } }).serviceWorker
  return {
    websocket: typeof native !== 'function' ? 'missing' : isNative(native) ? 'native' : 'wrapped',
    secureContext: window.isSecureContext,
    online: navigator.onLine,
    visible: document.visibilityState === 'visible',
    origin: window.location.protocol === 'file:' ? 'null' : window.origin,
    protocol: window.location.protocol,
    serviceWorker: worker?.controller !== null && worker?.controller !== undefined,
    userAgent: navigator.userAgent,
    language: navigator.language,
    connection: network?.effectiveType ?? '',
  }
}

function isNative(value: object): boolean {
  return /\{\s*\[native code\]\s*\}/.test(Function.prototype.toString.call(value))
}
