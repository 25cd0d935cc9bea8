import { Connection, type ConnectionState } from './connection'
import type { Env } from './env'
import type { ErrorFrame, EventFrame, Joined, ServerFrame, Welcome } from './frames'
import { Journal } from './journal'
import { outboxKeys, type Change } from './outbox'
import { typingLasts } from './people'
import { Reads } from './reads'
import { kept, type Room } from './room'
import { Rooms } from './rooms'
import { Sender } from './sender'
import { identical, sameRoom, steady, type Notice, type Snapshot } from './snapshot'
import type { Store } from './store'

export interface ClientOptions {
  env: Env
  store: Store
  /** Addresses of /ws/chat/ without a query; attempts go through them in turn. */
  urls: string[]
  /** The key of this installation, see installationKey. */
  clientKey: string
  user: string
  /** A token of jwt mode, asked for before every attempt. */
  token?: () => string | null
  /** Rooms to be in besides the one that is shown. */
  rooms?: readonly string[]
}

const redraw = 16 // gathers the changes of one frame of the screen
const olderPage = 200
const unreadLimit = 100
const typingEvery = 3_000
const readEvery = 1_000

/** A chat client without a user interface. Not a frame is lost or shown twice. */
export class Client {
  readonly o: ClientOptions // as given
  private readonly connection: Connection
  private readonly rooms: Rooms
  private readonly sender: Sender
  private readonly reads: Reads
  private readonly listeners = new Set<() => void>()
  private state: ConnectionState = { name: 'stopped', why: 'starting' }
  private readonly journal: Journal
  private trace = ''
  private welcome: Welcome | null = null
  private server: Snapshot['server'] = null
  private roundTrip: number | null = null
  private shown: string
  private user: string
  private wantedUser: string
  private notice: Notice | null = null
  private older: string | null = null
  private line: number | null = null
  private attentive = false
  private typingSent = 0
  private readTimer: number | undefined
  private drawTimer: number | undefined
  private current: Snapshot

  constructor(options: ClientOptions, room: string) {
    this.o = options
    this.user = this.wantedUser = options.user
    this.shown = room
    this.reads = new Reads(options.store)
    this.journal = new Journal(options.env)
    const send = (frame: object) => this.connection.send(frame)
    this.rooms = new Rooms({ env: options.env, send })
    this.sender = new Sender({
      env: options.env, store: options.store, send,
      ready: (name) => this.state.name === 'online' && this.rooms.ready(name),
      epoch: (name) => this.rooms.get(name)?.epoch ?? null,
      unconfirmed: () => { this.connection.lost('unconfirmed', 0) },
      idle: () => { this.rename() },
      rejoin: () => { this.rooms.rejoin(this.shown) },
    })
    this.connection = new Connection({
      env: options.env, target: (attempt) => this.target(attempt),
      onState: (state) => { this.changed(state) },
      onFrame: (frame) => { this.take(frame) },
      onRoundTrip: (ms, time) => { this.roundTrip = Math.round(ms); this.journal.told(time, ms); this.draw() },
    })
    this.rooms.room(room).keep = kept.following
    options.rooms?.forEach((name) => this.rooms.room(name))
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
    return this.sender.outbox.key
  }

  /** Connects now, whatever the state. */
  start(): void {
    this.connection.start()
  }

  stop(): void {
    this.connection.stop('by_hand')
  }

  /** To be called when the machine woke up or the network came back. */
  wake(): void {
    this.connection.wake()
  }

  /** Measures the round trip now. */
  probe(): void {
    this.connection.probe()
  }

  /** To be called when a policy of the page forbade a connection to url. */
  forbidden(url: string): void {
    const origin = (address: string) => (URL.canParse(address) ? new URL(address).origin : address)
    if (this.o.urls.some((own) => origin(own) === origin(url))) this.connection.forbidden()
  }

  /** The outboxes that other tabs keep or left behind. */
  foreignOutboxes(): string[] {
    return outboxKeys(this.o.store).filter((key) => key !== this.outboxKey)
  }

  /** Takes over what a tab that is gone had not sent. */
  adopt(key: string): void {
    const { outbox } = this.sender
    outbox.adopt(key, this.user)
    outbox.all().forEach((entry) => this.rooms.room(entry.room))
    this.joinMissing()
    this.sender.pump()
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
    if (room === this.shown) return
    const before = this.rooms.room(this.shown)
    before.keep = kept.away
    before.trim()
    this.shown = room
    this.older = this.notice = null
    const now = this.rooms.room(room)
    now.keep = kept.following
    this.line = this.unread(now) > 0 ? (this.reads.get(room) ?? null) : null
    this.joinMissing()
    this.draw()
  }

  /** Leaves a room that is not shown. */
  leave(room: string): void {
    if (room === this.shown) return
    this.rooms.leave(room)
    this.draw()
  }

  /**
   * Says whether somebody looks at the newest messages of the room that is
   * shown (they count as read then), or reads older ones.
   */
  attend(looking: boolean, following: boolean): void {
    const room = this.rooms.room(this.shown)
    room.keep = following ? kept.following : kept.reading
    if (following) room.trim()
    this.attentive = looking && following
    if (this.attentive) this.markRead(room)
    this.draw()
  }

  /** Queues a message; returns false if too many wait already. */
  say(text: string, replyTo?: number): boolean {
    this.line = null
    return this.store({ kind: 'send', text, ...(replyTo !== undefined && { reply_to: replyTo }) })
  }

  edit(target: number, text: string): boolean {
    return this.store({ kind: 'edit', target, text })
  }

  /** Takes a message away, for everybody. */
  remove(target: number): boolean {
    return this.store({ kind: 'delete', target })
  }

  react(target: number, emoji: string, on: boolean): boolean {
    return this.store({ kind: 'react', target, emoji, on })
  }

  /** Tries again what failed. */
  retry(id: string): void {
    this.sender.retry(id, this.user)
    this.draw()
  }

  /** Throws away what failed or waits; returns it unless it is under way. */
  discard(id: string): Change | undefined {
    const entry = this.sender.discard(id)
    this.draw()
    return entry?.change
  }

  /** Tells the others that a message is being written, or not any more. */
  typing(on: boolean): void {
    const now = this.o.env.now()
    if (on ? now - this.typingSent < typingEvery : this.typingSent === 0) return
    if (this.rooms.ready(this.shown)) this.connection.send({ type: 'typing', room: this.shown, on })
    this.typingSent = on ? now : 0
  }

  /** Asks for messages before the oldest one shown. */
  loadOlder(): void {
    const room = this.rooms.room(this.shown)
    if (this.older !== null || !this.rooms.ready(room.name)) return
    const id = this.o.env.randomKey(12)
    const before = room.all()[0]?.seq ?? room.lastSeq + 1
    if (this.connection.send({ type: 'history', id, room: room.name, before, limit: olderPage })) this.older = id
    this.draw()
  }

  dismiss(): void {
    this.notice = null
    this.draw()
  }

  /** To be called when another tab stored something. */
  reload(): void {
    this.reads.load()
    this.draw()
  }

  private store(change: Change): boolean {
    const taken = this.sender.add(this.shown, this.user, change)
    this.draw()
    return taken
  }

  private target(attempt: number): { url: string; protocols: string[] } {
    const { urls, clientKey, env, token } = this.o
    this.trace = env.randomKey(24)
    const query = new URLSearchParams({ user: this.user, trace: this.trace })
    const base = urls[attempt % urls.length] ?? '/ws/chat/'
    const bearer = token?.() ?? null
    // Both are credentials: a query would end up in the logs of proxies.
    const protocols = ['partyline.v1', `client.${clientKey}`, ...(bearer === null ? [] : [`bearer.${bearer}`])]
    return { url: `${base}?${query.toString()}`, protocols }
  }

  private changed(state: ConnectionState): void {
    this.state = state
    if (state.name !== 'online') {
      this.older = this.roundTrip = null
      this.typingSent = 0
      this.rooms.reset()
      this.sender.reset()
    }
    this.rename()
    this.journal.note(state, this.trace)
    this.draw()
  }

  private rename(): void {
    if (this.wantedUser === this.user || this.sender.undecided()) return
    this.user = this.wantedUser
    const { outbox } = this.sender
    outbox.all().filter((entry) => !entry.tried).forEach((entry) => { outbox.update(entry.id, { user: this.user }) })
    if (this.state.name !== 'stopped') this.connection.start()
    this.draw()
  }

  private take(frame: ServerFrame): void {
    switch (frame.type) {
      case 'welcome': this.welcomed(frame); break
      case 'joined': this.joined(frame); break
      case 'event': this.event(frame); break
      case 'ack': this.sender.acked(frame); this.seen(this.rooms.all()); break
      case 'history':
        if (frame.id !== this.older) return
        this.older = null
        this.rooms.get(frame.room)?.history(frame)
        break
      case 'presence': this.rooms.get(frame.room)?.people.presence(frame); break
      case 'typing':
        this.rooms.get(frame.room)?.people.typing(frame, this.o.env.now())
        this.o.env.setTimeout(() => { this.draw() }, typingLasts)
        break
      case 'receipt':
        if (this.reads.advance(frame.room, frame.seq)) this.reads.save()
        break
      case 'error': this.failed(frame); break
      case 'left': case 'bye': case 'pong': return
    }
    this.draw()
  }

  private welcomed(frame: Welcome): void {
    this.journal.told(frame.time, 0)
    this.welcome = frame
    this.server = { version: frame.version, gateway: frame.gateway, limits: frame.limits, heartbeat: frame.heartbeat_s, reportKey: frame.report_key }
    this.notice = null
    this.reads.begin(frame.epoch)
    this.joinMissing()
  }

  private joinMissing(): void {
    if (this.state.name === 'online') this.rooms.joinMissing(this.shown)
  }

  private joined(frame: Joined): void {
    const opened = this.rooms.joined(frame)
    if (!opened) return
    this.reads.begin(frame.epoch)
    const { room, anew } = opened
    if (this.reads.get(room.name) === undefined) this.reads.advance(room.name, room.lastSeq)
    if (anew) this.sender.seen(room.name, Infinity)
    if (this.attentive && room.name === this.shown) this.markRead(room)
    this.sender.pump()
  }

  private event(frame: EventFrame): void {
    const before = this.reads.get(frame.room) ?? null
    const room = this.rooms.event(frame)
    if (!room) return
    this.seen([room])
    if (frame.event.kind !== 'message' || room.name !== this.shown) return
    if (this.attentive) this.markRead(room)
    else if (frame.event.uid !== this.welcome?.uid && (this.line ?? -1) < (before ?? -1)) this.line = before
  }

  private seen(rooms: Room[]): void {
    rooms.forEach((room) => { this.sender.seen(room.name, room.lastSeq) })
  }

  private markRead(room: Room): void {
    if (room.epoch === null || !this.reads.advance(room.name, room.lastSeq)) return
    this.readTimer ??= this.o.env.setTimeout(() => {
      this.readTimer = undefined
      this.reads.save()
      const seq = this.reads.get(this.shown)
      if (seq !== undefined && this.rooms.ready(this.shown)) this.connection.send({ type: 'read', room: this.shown, seq })
    }, readEvery)
  }

  private failed(frame: ErrorFrame): void {
    if (this.sender.failed(frame)) return
    if (frame.id !== undefined && frame.id === this.older) this.older = null
    const room = this.rooms.failed(frame) ?? frame.room ?? ''
    if (frame.code === 'not_joined' && frame.id === undefined) return // of a typing or read frame
    this.notice = { code: frame.code, message: frame.message, room }
  }

  private unread(room: Room): number {
    return room.unread(this.reads.get(room.name) ?? Infinity, this.welcome?.uid ?? '', unreadLimit)
  }

  private draw(): void {
    this.drawTimer ??= this.o.env.setTimeout(() => {
      this.drawTimer = undefined
      this.current = this.build()
      this.listeners.forEach((listener) => { listener() })
    }, redraw)
  }

  private build(): Snapshot {
    const old = this.current as Snapshot | undefined
    const room = this.rooms.room(this.shown)
    const uid = this.welcome?.uid ?? ''
    const { people } = room
    const waiting = [...this.sender.unseen(), ...this.sender.outbox.all()].filter((e) => e.room === room.name)
    const unsent = waiting.filter((e) => e.change.kind === 'send' && !room.has(uid, e.id))
    const rooms = this.rooms.all().map((r) => ({ name: r.name, topic: r.topic, unread: this.unread(r), last: r.all().at(-1) }))
    return {
      connection: this.state, why: this.journal.why, log: this.journal.log, roundTrip: this.roundTrip,
      serverOffset: this.journal.clock.offset, clockOffset: this.journal.clock.deviceOffset(), server: this.server, user: this.user, uid,
      room: room.name, loaded: room.epoch !== null, topic: room.topic, epoch: room.epoch,
      messages: room.all(), more: room.more, loadingOlder: this.older !== null,
      members: people.members, people: people.all(),
      typing: steady(old?.typing, people.typingNow(this.o.env.now()), identical),
      line: this.line,
      unsent: steady(old?.unsent, unsent, identical),
      changes: steady(old?.changes, waiting.filter((e) => e.change.kind !== 'send'), identical),
      rooms: steady(old?.rooms, rooms, sameRoom), notice: this.notice,
    }
  }
}
