import { fullJitter } from './backoff'
import { closeMeaning, type Why } from './codes'
import type { Env, Socket } from './env'
import type { ServerFrame } from './frames'
import { parseFrame } from './parse'

export type ConnectionState =
  /** why is missing on the first attempt. */
  | { name: 'connecting'; why?: Why }
  | { name: 'online' }
  /** Waits for the next attempt, at until (by Env.now). */
  | { name: 'waiting'; until: number; why: Why }
  /** Will not try again by itself. */
  | { name: 'stopped'; why: Why }

export interface ConnectionOptions {
  env: Env
  /** The address and subprotocols of an attempt; attempt counts failures in a row. */
  target(attempt: number): { url: string; protocols: string[] }
  onState(state: ConnectionState): void
  onFrame(frame: ServerFrame): void
  /** A ping was answered after so many milliseconds, by a server whose clock said time. */
  onRoundTrip(ms: number, time: string): void
}

/** Milliseconds; tests rely on them. */
export const times = {
  open: 10_000, // until welcome
  error: 1_000, // from an error until its close, which a policy may withhold
  idle: 20_000, // without a frame until a ping
  pong: 8_000, // until a ping must be answered
  wake: 3_000, // the same, after sleep
  settled: 5_000, // online so long, the next attempt counts from 0 again
  up: 1_000, // within which a waiting tab follows one that came through
}

/**
 * Keeps one WebSocket open: reconnects with full jitter, notices silence, and
 * gives up a socket that does not close. Not a single frame of a socket that
 * was given up is delivered.
 */
export class Connection {
  private readonly o: ConnectionOptions
  private socket: Socket | null = null
  private state: ConnectionState = { name: 'stopped', why: 'starting' }
  private attempt = 0
  private onlineSince = 0
  private earliest = 0 // by Env.now: no attempt is made before
  private draining = false
  private opened = false
  private nonsense = false
  private blocked = false
  private pinged: number | null = null
  private timer: number | undefined
  private cancelTurn: (() => void) | null = null
  private release: (() => void) | null = null

  constructor(options: ConnectionOptions) {
    this.o = options
    options.env.turns?.onUp(() => { this.follow() })
  }

  /** Connects now, whatever the state. */
  start(): void {
    this.abandon()
    this.earliest = 0
    this.draining = this.opened = this.nonsense = this.blocked = false
    this.set({ name: 'connecting', ...('why' in this.state && this.state.why !== 'starting' && { why: this.state.why }) })
    const { url, protocols } = this.o.target(this.attempt)
    let socket: Socket
    try {
      socket = this.o.env.connect(url, protocols)
    } catch {
      this.lost('bad_address', 0)
      return
    }
    this.listen(socket)
    this.after(times.open, () => { this.lost(this.nonsense ? 'nonsense' : 'no_answer', 0) })
  }

  stop(why: Why): void {
    this.abandon()
    this.leaveQueue()
    this.set({ name: 'stopped', why })
  }

  /** Sends if the connection is up; tells whether it tried. */
  send(frame: object): boolean {
    if (this.state.name !== 'online' || !this.socket) return false
    try {
      this.socket.send(JSON.stringify(frame))
      return true
    } catch {
      this.lost('cut', 0)
      return false
    }
  }

  /** The machine woke up or the network came back: try now, or check. */
  wake(): void {
    if (this.state.name === 'waiting') {
      if (this.held() === 0) this.queue()
    } else if (this.state.name === 'online') this.ping(times.wake)
  }

  /** Measures the round trip, unless a ping is under way. */
  probe(): void {
    if (this.pinged === null) this.ping(times.pong)
  }

  /** A policy of the page forbade the address: the socket fires error alone. */
  forbidden(): void {
    this.blocked = true
    if (this.state.name === 'connecting') this.lost('policy', 5_000)
    else if (this.state.name === 'waiting') this.set({ ...this.state, why: 'policy' })
  }

  /** Gives the socket up and reconnects. */
  lost(why: Why, atLeast: number): void {
    this.abandon()
    const { env } = this.o
    const now = env.now()
    if (this.onlineSince > 0 && now - this.onlineSince >= times.settled) this.attempt = 0
    this.onlineSince = 0
    const delay = Math.max(fullJitter(this.attempt, () => env.random()), atLeast, this.held())
    this.attempt++
    if (atLeast > this.held()) this.holdFor(atLeast)
    this.set({ name: 'waiting', until: now + delay, why })
    this.after(delay, () => { this.queue() })
  }

  private listen(socket: Socket): void {
    this.socket = socket
    const current = (run: () => void) => () => {
      if (this.socket === socket) run()
    }
    socket.onopen = current(() => { this.opened = true })
    socket.onmessage = ({ data }) => {
      if (this.socket === socket) this.received(data)
    }
    socket.onclose = ({ code }) => {
      if (this.socket === socket) this.closed(code)
    }
    socket.onerror = current(() => {
      if (this.state.name !== 'connecting') return
      this.after(times.error, () => { this.lost(this.blocked ? 'policy' : 'unreachable', 0) })
    })
  }

  // Connects when it is this client's turn, which it keeps until it is online:
  // of all tabs that nobody looks at, one alone asks a server that is away.
  private queue(): void {
    const { turns } = this.o.env
    if (!turns || turns.urgent() || this.release) {
      this.cancelTurn?.()
      this.cancelTurn = null
      this.start()
      return
    }
    this.cancelTurn ??= turns.ask((release) => {
      this.cancelTurn = null
      if (this.state.name !== 'waiting') {
        release()
        return
      }
      this.release = release
      this.start()
    })
  }

  private leaveQueue(): void {
    this.cancelTurn?.()
    this.release?.()
    this.cancelTurn = this.release = null
  }

  private holdFor(ms: number): void {
    this.earliest = this.o.env.now() + ms
  }

  /** How long no attempt may be made yet. */
  private held(): number {
    return Math.max(0, this.earliest - this.o.env.now())
  }

  private follow(): void {
    const { env } = this.o
    if (this.state.name !== 'waiting' || this.held() > 0 || this.cancelTurn) return
    this.after(Math.floor(env.random() * times.up), () => { this.queue() })
  }

  private received(data: unknown): void {
    const frame = parseFrame(data)
    if (this.state.name === 'online') this.watch()
    else if (frame?.type !== 'welcome') this.nonsense = true
    if (!frame) return
    if (frame.type === 'welcome') this.welcomed()
    else if (frame.type === 'bye') {
      this.holdFor(frame.reconnect_after_ms)
      this.draining = frame.reason === 'drain'
    } else if (frame.type === 'pong' && this.pinged !== null && frame.t === this.pinged) {
      this.o.onRoundTrip(this.o.env.now() - this.pinged, frame.time)
      this.pinged = null
    }
    if (this.state.name === 'online') this.o.onFrame(frame)
  }

  private welcomed(): void {
    this.onlineSince = this.o.env.now()
    this.set({ name: 'online' })
    this.leaveQueue()
    this.o.env.turns?.up()
    this.ping(times.pong)
  }

  private closed(code: number): void {
    const { reconnect, why, after } = closeMeaning(code)
    if (!reconnect) this.stop(why)
    else if (why === 'cut') this.lost(this.cutWhy(), after)
    else this.lost(why, after)
  }

  private cutWhy(): Why {
    if (this.draining) return 'drain'
    if (this.blocked) return 'policy'
    if (this.state.name === 'online') return 'cut'
    return this.opened ? 'no_answer' : 'unreachable'
  }

  // Something arrived: the connection lives. Asks again after some silence.
  private watch(): void {
    this.after(times.idle, () => { this.ping(times.pong) })
  }

  private ping(patience: number): void {
    const t = this.o.env.now()
    if (!this.send({ type: 'ping', t })) return
    this.pinged = t
    this.after(patience, () => { this.lost('silent', 0) })
  }

  private after(ms: number, run: () => void): void {
    if (this.timer !== undefined) this.o.env.clearTimeout(this.timer)
    this.timer = this.o.env.setTimeout(run, ms)
  }

  private abandon(): void {
    if (this.timer !== undefined) this.o.env.clearTimeout(this.timer)
    this.timer = undefined
    this.pinged = null
    const socket = this.socket
    this.socket = null
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onerror = socket.onclose = null
    try {
      socket.close(1000)
    } catch {
      // It is closed, or never was open.
    }
  }

  private set(state: ConnectionState): void {
    this.state = state
    this.o.onState(state)
  }
}
