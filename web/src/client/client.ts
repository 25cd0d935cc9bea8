import { isTemporary } from './codes'
import { Connection, type ConnectionState } from './connection'
import type { Env } from './env'
import type { ErrorFrame, EventFrame, Joined, Message, ServerFrame } from './frames'
import { Outbox, outboxKeys, type Unsent } from './outbox'
import { Room } from './room'
import type { Store } from './store'

export interface ClientOptions {
  env: Env
  store: Store
  /** Addresses of /ws/chat/ without a query; attempts go through them in turn. */
  urls: string[]
  /** The key of this installation, see installationKey. */
  clientKey: string
  user: string
}

/** What a page shows; a new object for every change. */
export interface Snapshot {
  connection: ConnectionState
  /** The name in use, and the public id that goes with it once connected. */
  user: string
  uid: string
  room: string
  messages: readonly Message[]
  members: number
  more: boolean
  loadingOlder: boolean
  /** Not acknowledged yet, and not among the messages. */
  unsent: readonly Unsent[]
  /** The last error that belongs to no message. */
  notice: string
}

const ackPatience = 15_000
const redraw = 16 // gathers the changes of one frame of the screen
const retryDelay = 1_000
const olderPage = 100

/** A chat client without a user interface. Not a frame is lost or shown twice. */
export class Client {
  private readonly o: ClientOptions
  private readonly connection: Connection
  private readonly outbox: Outbox
  private readonly rooms = new Map<string, Room>()
  private readonly joins = new Map<string, string>() // room → id of the join under way
  private readonly holes = new Map<string, number>() // room → last seq before the hole
  private readonly listeners = new Set<() => void>()
  private state: ConnectionState = { name: 'connecting' }
  private shown: string
  private user: string
  private wantedUser: string
  private uid = ''
  private notice = ''
  private inFlight: string | null = null
  private sendTimer: number | undefined
  private older: string | null = null
  private drawTimer: number | undefined
  private current: Snapshot

  constructor(options: ClientOptions, room: string) {
    this.o = options
    this.user = this.wantedUser = options.user
    this.shown = room
    this.outbox = new Outbox(options.store, options.env.randomKey(16))
    this.connection = new Connection({
      env: options.env,
      target: (attempt) => this.target(attempt),
      onState: (state) => { this.changed(state) },
      onFrame: (frame) => { this.take(frame) },
    })
    this.room(room)
    this.current = this.build()
  }

  /** For React's useSyncExternalStore. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  /** For React's useSyncExternalStore. */
  readonly snapshot = (): Snapshot => this.current

  /** The name under which this tab's unsent messages are stored, for a lock. */
  get outboxKey(): string {
    return this.outbox.key
  }

  start(): void {
    this.connection.start()
  }

  stop(): void {
    this.connection.stop('closed')
  }

  /** To be called when the machine woke up or the network came back. */
  wake(): void {
    this.connection.wake()
  }

  /** The outboxes that other tabs keep or left behind. */
  foreignOutboxes(): string[] {
    return outboxKeys(this.o.store).filter((key) => key !== this.outbox.key)
  }

  /** Takes over the unsent messages of a tab that is gone. */
  adopt(key: string): void {
    this.outbox.adopt(key, this.user)
    this.outbox.all().forEach((entry) => this.room(entry.room))
    this.joinMissing()
    this.pump()
    this.draw()
  }

  /**
   * Changes the name. Another name is another identity, so messages that are
   * under way are finished under the old one first.
   */
  setUser(user: string): void {
    this.wantedUser = user
    this.rename()
  }

  /** Shows another room, and joins it. */
  open(room: string): void {
    this.shown = room
    this.older = null
    this.room(room)
    this.joinMissing()
    this.draw()
  }

  /** Queues a message; returns false if too many wait already. */
  say(text: string): boolean {
    const { env } = this.o
    const entry = { id: env.randomKey(20), room: this.shown, text, user: this.user, at: env.now(), tried: false }
    if (!this.outbox.add(entry)) return false
    this.pump()
    this.draw()
    return true
  }

  /** Tries a failed message again, as a new one where it was refused for good. */
  retry(id: string): void {
    const entry = this.outbox.all().find((other) => other.id === id)
    if (entry?.failed === undefined) return
    const { failed: _, ...rest } = entry
    this.outbox.remove(id)
    this.outbox.requeue({ ...rest, user: this.user, id: this.o.env.randomKey(20), tried: false })
    this.pump()
    this.draw()
  }

  /** Throws a failed message away. */
  discard(id: string): void {
    if (id === this.inFlight) return
    this.outbox.remove(id)
    this.draw()
  }

  /** Asks for messages before the oldest one shown. */
  loadOlder(): void {
    const room = this.room(this.shown)
    if (this.older !== null) return
    const id = this.o.env.randomKey(12)
    const before = room.messages[0]?.seq ?? room.lastSeq + 1
    if (this.connection.send({ type: 'history', id, room: room.name, before, limit: olderPage })) this.older = id
    this.draw()
  }

  private target(attempt: number): { url: string; protocols: string[] } {
    const { urls, clientKey, env } = this.o
    const query = new URLSearchParams({ user: this.user, trace: env.randomKey(24) })
    const base = urls[attempt % urls.length] ?? '/ws/chat/'
    // The key is a credential: a query would end up in the logs of proxies.
    return { url: `${base}?${query.toString()}`, protocols: ['partyline.v1', `client.${clientKey}`] }
  }

  private changed(state: ConnectionState): void {
    this.state = state
    if (state.name !== 'online') {
      this.inFlight = this.older = null
      this.joins.clear()
      this.clearSendTimer()
    }
    this.rename()
    this.draw()
  }

  private rename(): void {
    if (this.wantedUser === this.user || this.outbox.all().some((e) => e.tried && e.failed === undefined)) return
    this.user = this.wantedUser
    this.outbox.all().forEach((entry) => { this.outbox.update(entry.id, { user: this.user }) })
    if (this.state.name !== 'stopped') this.connection.start()
    this.draw()
  }

  private take(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome':
        this.uid = frame.uid
        this.notice = ''
        this.joinMissing()
        break
      case 'joined':
        this.joined(frame)
        break
      case 'event':
        this.event(frame)
        break
      case 'ack':
        this.settled(frame.id)
        break
      case 'history':
        if (frame.id === this.older) {
          this.older = null
          this.rooms.get(frame.room)?.history(frame)
        }
        break
      case 'presence': {
        const room = this.rooms.get(frame.room)
        if (room) room.members = frame.members
        break
      }
      case 'error':
        this.failed(frame)
        break
      case 'bye':
      case 'pong':
        return
    }
    this.draw()
  }

  private room(name: string): Room {
    const room = this.rooms.get(name) ?? new Room(name)
    this.rooms.set(name, room)
    return room
  }

  // Joins what is not joined on this connection. joins holds a room from its
  // join on for as long as the connection lasts.
  private joinMissing(): void {
    for (const room of this.rooms.values()) if (!this.joins.has(room.name)) this.join(room, true)
  }

  private join(room: Room, resume: boolean): void {
    const id = this.o.env.randomKey(12)
    const from = resume && room.epoch !== null ? { since: room.lastSeq, epoch: room.epoch } : { tail: 50 }
    if (this.connection.send({ type: 'join', id, room: room.name, ...from })) this.joins.set(room.name, id)
  }

  private joined(frame: Joined): void {
    if (this.joins.get(frame.room) !== frame.id) return
    this.joins.set(frame.room, '')
    this.rooms.get(frame.room)?.joined(frame)
    this.pump()
  }

  private event(frame: EventFrame): void {
    const room = this.rooms.get(frame.room)
    if (!room || this.joins.get(frame.room) !== '') return // a join under way brings it
    const taken = room.event(frame)
    if (taken === 'taken') this.holes.delete(frame.room)
    if (taken !== 'hole') return
    // A second hole at the same place would be there for ever: begin anew.
    const again = this.holes.get(frame.room) === room.lastSeq
    this.holes.set(frame.room, room.lastSeq)
    this.join(room, !again)
  }

  // One message at a time is under way: one that has to be tried again cannot
  // be overtaken by the next.
  private pump(): void {
    if (this.inFlight !== null || this.sendTimer !== undefined || this.state.name !== 'online') return
    const entry = this.outbox.next()
    if (!entry || this.joins.get(entry.room) !== '') return
    const { id, room, text, tried } = entry
    if (!tried) this.outbox.update(id, { tried: true }) // before it leaves: a crash must not forget it
    this.inFlight = id
    if (!this.connection.send({ type: 'send', id, room, text, ...(tried && { retry: true }) })) return
    this.waitThen(ackPatience, () => { this.connection.lost('the server did not confirm a message', 0) })
  }

  private settled(id: string): void {
    this.outbox.remove(id)
    this.proceed(id, 0)
  }

  private failed(frame: ErrorFrame): void {
    if (frame.id !== undefined && frame.id === this.inFlight) {
      const again = isTemporary(frame.code)
      if (!again) this.outbox.update(frame.id, { failed: frame.message || frame.code })
      if (frame.code === 'not_joined') this.rejoin()
      this.proceed(frame.id, again ? Math.min(Math.max(frame.retry_after_ms ?? retryDelay, 100), 60_000) : 0)
      return
    }
    if (frame.id !== undefined && frame.id === this.older) this.older = null
    if (isTemporary(frame.code)) this.joinLater(frame)
    this.notice = frame.message || frame.code
  }

  // A join that the server could not serve yet is asked again.
  private joinLater({ id, retry_after_ms }: ErrorFrame): void {
    const [name] = [...this.joins].find(([, join]) => join !== '' && join === id) ?? []
    if (name === undefined) return
    this.o.env.setTimeout(() => {
      if (this.joins.get(name) === id) this.join(this.room(name), true)
    }, Math.max(retry_after_ms ?? retryDelay, 100))
  }

  private rejoin(): void {
    this.joins.clear()
    this.joinMissing()
  }

  private proceed(id: string, delay: number): void {
    if (id !== this.inFlight) return
    this.inFlight = null
    this.clearSendTimer()
    this.rename()
    if (delay > 0) this.waitThen(delay, () => { this.pump() })
    else this.pump()
  }

  private waitThen(ms: number, run: () => void): void {
    this.clearSendTimer()
    this.sendTimer = this.o.env.setTimeout(() => {
      this.sendTimer = undefined
      run()
    }, ms)
  }

  private clearSendTimer(): void {
    if (this.sendTimer !== undefined) this.o.env.clearTimeout(this.sendTimer)
    this.sendTimer = undefined
  }

  private draw(): void {
    this.drawTimer ??= this.o.env.setTimeout(() => {
      this.drawTimer = undefined
      this.current = this.build()
      this.listeners.forEach((listener) => { listener() })
    }, redraw)
  }

  private build(): Snapshot {
    const room = this.room(this.shown)
    return {
      connection: this.state, user: this.user, uid: this.uid, room: room.name,
      messages: [...room.messages], members: room.members, more: room.more,
      loadingOlder: this.older !== null, notice: this.notice,
      unsent: this.outbox.all().filter((entry) => entry.room === room.name && !room.has(this.uid, entry.id)),
    }
  }
}
