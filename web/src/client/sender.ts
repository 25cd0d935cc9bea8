import { isTemporary } from './codes'
import type { Env } from './env'
import type { Ack, ErrorFrame } from './frames'
import { Outbox, type Change, type Unsent } from './outbox'
import type { Store } from './store'

/** Acknowledged, and its event not here yet: shown on, so that nothing flickers. */
export interface Stored extends Unsent { seq: number }

export interface SenderOptions {
  env: Env
  store: Store
  /** Sends a frame if the connection is up; tells whether it tried. */
  send(frame: object): boolean
  /** Whether the room is joined on the connection that is up. */
  ready(room: string): boolean
  /** The life of the log of a room, null if not known. */
  epoch(room: string): string | null
  /** An ack did not come in time. */
  unconfirmed(): void
  /** Nothing is under way right now. */
  idle(): void
  rejoin(): void
}

const ackPatience = 15_000
const retryDelay = 1_000

/**
 * Sends the outbox, one frame at a time, so that one that has to be tried again
 * is not overtaken by the next.
 */
export class Sender {
  readonly outbox: Outbox
  private readonly o: SenderOptions
  private inFlight: string | null = null
  private timer: number | undefined
  private stored: readonly Stored[] = []

  constructor(options: SenderOptions) {
    this.o = options
    this.outbox = new Outbox(options.store, options.env.randomKey(16))
  }

  /** What has been stored and has not been seen as an event. */
  unseen(): readonly Stored[] {
    return this.stored
  }

  /** Queues a change; returns false if too many wait already. */
  add(room: string, user: string, change: Change): boolean {
    const { env } = this.o
    if (change.kind === 'react' && this.takeBack(room, change)) return true
    const entry = {
      id: env.randomKey(20), room, change, user, at: env.now(), tried: false, epoch: this.o.epoch(room),
    }
    if (!this.outbox.add(entry)) return false
    this.pump()
    return true
  }

  /** Tries a failed frame again, as a new one where it was refused for good. */
  retry(id: string, user: string): void {
    const entry = this.outbox.all().find((other) => other.id === id)
    if (entry?.failed === undefined) return
    const { failed: _, ...rest } = entry
    this.outbox.remove(id)
    this.outbox.add({ ...rest, user, id: this.o.env.randomKey(20), tried: false })
    this.pump()
  }

  /** Throws away what is not under way. */
  discard(id: string): Unsent | undefined {
    return id === this.inFlight ? undefined : this.outbox.remove(id)
  }

  /** Something went out, and may or may not have been stored. */
  undecided(): boolean {
    return this.outbox.all().some((entry) => entry.tried && entry.failed === undefined)
  }

  pump(): void {
    if (this.inFlight !== null || this.timer !== undefined) return
    const entry = this.outbox.next()
    if (!entry || !this.o.ready(entry.room)) return
    const { id, room, tried } = entry
    const change = this.current(entry)
    if (!change) {
      this.outbox.update(id, { failed: 'log_changed' })
      this.pump()
      return
    }
    if (!tried) this.outbox.update(id, { tried: true }) // before it leaves: a crash must not forget it
    this.inFlight = id
    const { kind, ...fields } = change
    if (!this.o.send({ type: kind, id, room, ...fields, ...(tried && { retry: true }) })) return
    this.wait(ackPatience, () => { this.o.unconfirmed() })
  }

  acked({ id, seq }: Ack): void {
    const entry = this.outbox.remove(id)
    if (entry) this.stored = [...this.stored, { ...entry, seq }]
    this.proceed(id, 0)
  }

  /** Takes an error; returns false if it is about something else. */
  failed(frame: ErrorFrame): boolean {
    if (frame.id === undefined || frame.id !== this.inFlight) return false
    const again = isTemporary(frame.code)
    if (!again) this.outbox.update(frame.id, { failed: frame.code })
    if (frame.code === 'not_joined') this.o.rejoin()
    this.proceed(frame.id, again ? Math.min(Math.max(frame.retry_after_ms ?? retryDelay, 100), 60_000) : 0)
    return true
  }

  /** The room is known up to lastSeq, or its view began anew. */
  seen(room: string, lastSeq: number): void {
    if (this.stored.length === 0) return
    this.stored = this.stored.filter((entry) => entry.room !== room || entry.seq > lastSeq)
  }

  /** The connection is gone. */
  reset(): void {
    this.inFlight = null
    this.clear()
  }

  // A target or quotation of another life of the log would be another message.
  private current({ change, epoch, room }: Unsent): Change | null {
    if (epoch === null || epoch === this.o.epoch(room)) return change
    if (change.kind !== 'send') return null
    const { reply_to: _, ...rest } = change
    return rest
  }

  // A reaction set and taken back before it was sent was never there.
  private takeBack(room: string, change: Change & { kind: 'react' }): boolean {
    const last = this.outbox.all().findLast((e) =>
      e.room === room && e.change.kind === 'react' && e.change.target === change.target && e.change.emoji === change.emoji)
    if (!last || last.tried || last.change.kind !== 'react' || last.change.on === change.on) return false
    return this.outbox.remove(last.id) !== undefined
  }

  private proceed(id: string, delay: number): void {
    if (id !== this.inFlight) return
    this.reset()
    this.o.idle()
    if (delay > 0) this.wait(delay, () => { this.pump() })
    else this.pump()
  }

  private wait(ms: number, run: () => void): void {
    this.clear()
    this.timer = this.o.env.setTimeout(() => {
      this.timer = undefined
      run()
    }, ms)
  }

  private clear(): void {
    if (this.timer !== undefined) this.o.env.clearTimeout(this.timer)
    this.timer = undefined
  }
}
