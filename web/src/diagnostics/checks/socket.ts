import type { DiagEnv, DiagSocket } from '../env'
import type { SocketAttempt, SocketDone } from '../evidence'
import { clean, limits } from '../limits'

export interface SocketOptions {
  url: string
  trace: string
  protocols: string[]
  /** chat: welcome, ping, pong. echo: a text and the same text back. */
  kind: 'chat' | 'echo'
  /**
   * Called with the open socket, before it is closed, for further tests. ended
   * is aborted when the socket closes or the user cancels.
   */
  use?: (socket: DiagSocket, ended: AbortSignal) => Promise<void>
}

/** Opens one WebSocket, sees whether it works, and closes it. Always settles. */
export function attempt(env: DiagEnv, options: SocketOptions, signal: AbortSignal): Promise<SocketAttempt> {
  if (signal.aborted) return Promise.resolve({ state: 'skipped', why: 'cancelled' })
  return new Promise((resolve) => {
    const begin = env.now()
    const result: SocketDone = {
      state: 'done', trace: options.trace, opened: false, endMs: 0, timedOut: false, endedHere: false,
      errorEvent: false, closeReason: '', subprotocol: '', extensions: '', errors: [], offered: options.protocols.length > 0,
    }
    let socket: DiagSocket
    try {
      socket = env.connect(options.url, options.protocols)
    } catch (error) {
      const { name, message } = error as { name?: unknown; message?: unknown }
      resolve({ state: 'threw', name: clean(name, 64), message: clean(message) })
      return
    }
    new Watch(env, socket, options, result, begin, signal, resolve).arm()
  })
}

// Events of one socket, in whatever order and however often they come.
class Watch {
  private readonly env: DiagEnv
  private readonly socket: DiagSocket
  private readonly options: SocketOptions
  private readonly result: SocketDone
  private readonly begin: number
  private readonly signal: AbortSignal
  private readonly resolve: (value: SocketAttempt) => void
  private readonly ended = new AbortController()
  private timer = 0
  private grace = 0
  private using = false
  private settled = false
  private readonly cancel = () => { this.end({ state: 'skipped', why: 'cancelled' }) }

  constructor(env: DiagEnv, socket: DiagSocket, options: SocketOptions, result: SocketDone, begin: number, signal: AbortSignal, resolve: (value: SocketAttempt) => void) {
    this.env = env
    this.socket = socket
    this.options = options
    this.result = result
    this.begin = begin
    this.signal = signal
    this.resolve = resolve
  }

  arm(): void {
    const { socket, result } = this
    this.signal.addEventListener('abort', this.cancel, { once: true })
    this.patience(limits.socket)
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      result.opened = true
      result.openMs = this.since()
      result.subprotocol = clean(socket.protocol, 64)
      result.extensions = clean(socket.extensions, 128)
      this.patience(limits.socket)
      if (this.options.kind === 'echo') this.send(probeText)
    }
    socket.onmessage = ({ data }) => { this.message(data) }
    // A connection that the page's policy forbids fires error and never close.
    socket.onerror = () => {
      result.errorEvent = true
      if (this.grace === 0) this.grace = this.env.setTimeout(() => { this.finish() }, 300)
    }
    socket.onclose = ({ code, reason }) => {
      result.closeCode = code
      result.closeReason = clean(reason, 123)
      this.result.endMs = this.since()
      this.ended.abort()
      if (!this.using) this.finish()
    }
  }

  private message(data: unknown): void {
    if (this.settled || typeof data !== 'string') return
    if (this.options.kind === 'echo') {
      if (data === probeText && this.result.welcomeMs === undefined) this.worked()
      return
    }
    const frame = readFrame(data)
    if (frame.type === 'welcome' && this.result.welcomeMs === undefined) {
      this.result.welcomeMs = this.since()
      this.send(JSON.stringify({ type: 'ping', t: 1 }))
    } else if (frame.type === 'pong') this.worked()
    else if (frame.type === 'error' && this.result.errors.length < 8) this.result.errors.push(clean(frame.code, 64))
  }

  private worked(): void {
    this.result.welcomeMs ??= this.since()
    this.result.pongMs = this.since()
    this.pause()
    this.using = true
    const use = this.options.use?.(this.socket, this.ended.signal) ?? Promise.resolve()
    void use.catch(() => undefined).then(() => {
      this.using = false
      this.result.endedHere = this.result.closeCode === undefined
      this.finish()
    })
  }

  private send(text: string): void {
    try {
      this.socket.send(text)
    } catch {
      // Closing already: close tells how.
    }
  }

  private patience(ms: number): void {
    this.pause()
    this.timer = this.env.setTimeout(() => {
      this.result.timedOut = true
      this.finish()
    }, ms)
  }

  private pause(): void {
    if (this.timer !== 0) this.env.clearTimeout(this.timer)
    this.timer = 0
  }

  private since(): number {
    return this.env.now() - this.begin
  }

  private finish(): void {
    if (this.result.closeCode === undefined) this.result.endMs = this.since()
    this.end(this.result)
  }

  private end(value: SocketAttempt): void {
    if (this.settled) return
    this.settled = true
    this.ended.abort()
    this.pause()
    if (this.grace !== 0) this.env.clearTimeout(this.grace)
    this.signal.removeEventListener('abort', this.cancel)
    const { socket } = this
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null
    try {
      socket.close(1000)
    } catch {
      // It never opened.
    }
    this.resolve(value)
  }
}

const probeText = 'partyline-probe'

function readFrame(data: string): { type?: unknown; code?: unknown } {
  try {
    const value: unknown = JSON.parse(data.slice(0, limits.bodyBytes))
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

/** An address with parameters added. */
export function withQuery(url: string, params: Record<string, string>): string {
  const out = new URL(url)
  for (const [name, value] of Object.entries(params)) out.searchParams.set(name, value)
  return out.href
}
