import { fullJitter } from './backoff'
import { closeMeaning } from './codes'
import type { Env, Socket } from './env'
import { parseFrame, type ServerFrame, type Welcome } from './frames'

export type ConnectionState =
  | { name: 'connecting' }
  | { name: 'online' }
  /** Waits for the next attempt, at until (milliseconds since 1970). */
  | { name: 'waiting'; until: number; why: string }
  /** Will not try again by itself. */
  | { name: 'stopped'; why: string }

export interface ConnectionOptions {
  env: Env
  /** The address and subprotocols of an attempt; attempt counts failures in a row. */
  target(attempt: number): { url: string; protocols: string[] }
  onState(state: ConnectionState): void
  onFrame(frame: ServerFrame): void
}

/** Milliseconds; tests rely on them. */
export const times = {
  open: 10_000, // until welcome
  idle: 20_000, // without a frame until a ping
  pong: 8_000, // until a ping must be answered
  wake: 3_000, // the same, after sleep
  settled: 5_000, // online so long, the next attempt counts from 0 again
}

/**
 * Keeps one WebSocket open: reconnects with full jitter, notices silence, and
 * gives up a socket that does not close. Not a single frame of a socket that
 * was given up is delivered.
 */
export class Connection {
  private readonly o: ConnectionOptions
  private socket: Socket | null = null
  private state: ConnectionState = { name: 'stopped', why: 'not started' }
  private attempt = 0
  private onlineSince = 0
  private earliest = 0 // from bye
  private byeWords = ''
  private timer: number | undefined

  constructor(options: ConnectionOptions) {
    this.o = options
  }

  /** Connects now, whatever the state. */
  start(): void {
    this.abandon()
    this.earliest = 0
    this.byeWords = ''
    this.set({ name: 'connecting' })
    const { url, protocols } = this.o.target(this.attempt)
    let socket: Socket
    try {
      socket = this.o.env.connect(url, protocols)
    } catch {
      this.lost('the address cannot be used', 0)
      return
    }
    this.socket = socket
    const current = (run: () => void) => () => {
      if (this.socket === socket) run()
    }
    socket.onmessage = ({ data }) => {
      if (this.socket === socket) this.received(data)
    }
    socket.onclose = ({ code }) => {
      if (this.socket === socket) this.closed(code)
    }
    // A policy that forbids the address fires error and may never fire close.
    socket.onerror = current(() => {
      if (this.state.name === 'connecting') this.after(1_000, () => { this.lost('no connection could be made', 0) })
    })
    this.after(times.open, () => { this.lost('the server did not answer', 0) })
  }

  stop(why: string): void {
    this.abandon()
    this.set({ name: 'stopped', why })
  }

  /** Sends if the connection is up; tells whether it tried. */
  send(frame: object): boolean {
    if (this.state.name !== 'online' || !this.socket) return false
    try {
      this.socket.send(JSON.stringify(frame))
      return true
    } catch {
      this.lost('the connection was cut', 0)
      return false
    }
  }

  /** The machine woke up or the network came back: try now, or check. */
  wake(): void {
    if (this.state.name === 'waiting') {
      if (this.o.env.now() >= this.earliest) this.start()
    } else if (this.state.name === 'online') this.ping(times.wake)
  }

  /** Gives the socket up and reconnects. */
  lost(why: string, atLeast: number): void {
    this.abandon()
    const now = this.o.env.now()
    if (this.onlineSince > 0 && now - this.onlineSince >= times.settled) this.attempt = 0
    this.onlineSince = 0
    const delay = Math.max(fullJitter(this.attempt, () => this.o.env.random()), atLeast, this.earliest - now)
    this.attempt++
    this.earliest = Math.max(this.earliest, now + atLeast)
    this.set({ name: 'waiting', until: now + delay, why })
    this.after(delay, () => { this.start() })
  }

  private received(data: unknown): void {
    const frame = parseFrame(data)
    if (this.state.name === 'online') this.watch()
    if (!frame) return
    if (frame.type === 'welcome') this.welcomed(frame)
    else if (frame.type === 'bye') {
      this.earliest = this.o.env.now() + frame.reconnect_after_ms
      this.byeWords = frame.reason
    }
    if (this.state.name === 'online') this.o.onFrame(frame)
  }

  private welcomed(_: Welcome): void {
    this.onlineSince = this.o.env.now()
    this.watch()
    this.set({ name: 'online' })
  }

  private closed(code: number): void {
    const meaning = closeMeaning(code)
    const why = code === 1006 && this.byeWords === 'drain' ? closeMeaning(1001).words : meaning.words
    if (meaning.reconnect) this.lost(why, meaning.after)
    else this.stop(why)
  }

  // Something arrived: the connection lives. Asks again after some silence.
  private watch(): void {
    this.after(times.idle, () => { this.ping(times.pong) })
  }

  private ping(patience: number): void {
    if (!this.send({ type: 'ping', t: this.o.env.now() })) return
    this.after(patience, () => { this.lost('the connection went silent', 0) })
  }

  private after(ms: number, run: () => void): void {
    if (this.timer !== undefined) this.o.env.clearTimeout(this.timer)
    this.timer = this.o.env.setTimeout(run, ms)
  }

  private abandon(): void {
    if (this.timer !== undefined) this.o.env.clearTimeout(this.timer)
    this.timer = undefined
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
