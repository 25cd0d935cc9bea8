import { isTemporary } from './codes'
import type { Env } from './env'
import type { ErrorFrame, EventFrame, Joined } from './frames'
import { Room } from './room'

export interface RoomsOptions {
  env: Env
  /** Sends a frame if the connection is up; tells whether it tried. */
  send(frame: object): boolean
}

const retryDelay = 1_000
const tail = 50

/** The rooms of a client, and which of them the current connection has joined. */
export class Rooms {
  private readonly o: RoomsOptions
  private readonly rooms = new Map<string, Room>()
  private readonly joins = new Map<string, string>() // room → id of the join under way, '' when joined
  private readonly holes = new Map<string, number>() // room → last seq before the hole
  private readonly fresh = new Set<string>() // not joined yet on this connection

  constructor(options: RoomsOptions) {
    this.o = options
  }

  /** The room of that name, made when missing. */
  room(name: string): Room {
    const room = this.rooms.get(name) ?? new Room(name)
    this.rooms.set(name, room)
    return room
  }

  get(name: string): Room | undefined {
    return this.rooms.get(name)
  }

  all(): Room[] {
    return [...this.rooms.values()]
  }

  ready(name: string): boolean {
    return this.joins.get(name) === ''
  }

  /** The connection is gone. */
  reset(): void {
    this.joins.clear()
    this.fresh.clear()
  }

  /** Joins what is not joined on this connection, first the one that is shown. */
  joinMissing(first: string): void {
    const missing = this.all().filter(({ name }) => !this.joins.has(name))
    missing.sort((a, b) => Number(b.name === first) - Number(a.name === first))
    for (const room of missing) this.join(room, true)
  }

  /** The server does not know that a room is joined. */
  rejoin(name: string): void {
    this.joins.clear()
    this.joinMissing(name)
  }

  leave(name: string): void {
    this.rooms.delete(name)
    if (this.joins.delete(name)) this.o.send({ type: 'leave', room: name })
  }

  /** Returns the room that a join opened, and whether its view began anew. */
  joined(frame: Joined): { room: Room; anew: boolean } | null {
    const room = this.rooms.get(frame.room)
    if (!room || this.joins.get(frame.room) !== frame.id) return null
    this.joins.set(frame.room, '')
    if (this.fresh.delete(frame.room)) room.people.begin(frame.members)
    return { room, anew: room.joined(frame) }
  }

  /** Returns the room that an event changed. */
  event(frame: EventFrame): Room | null {
    const room = this.rooms.get(frame.room)
    if (!room || !this.ready(frame.room)) return null // a join under way brings it
    const taken = room.event(frame)
    if (taken === 'taken') this.holes.delete(frame.room)
    if (taken === 'hole') {
      // A second hole at the same place would be there for ever: begin anew.
      const again = this.holes.get(frame.room) === room.lastSeq
      this.holes.set(frame.room, room.lastSeq)
      this.join(room, !again)
    }
    return taken === 'taken' ? room : null
  }

  /**
   * A join that the server could not serve yet is asked again. Returns the room
   * of a join that it refused for good.
   */
  failed({ id, code, retry_after_ms }: ErrorFrame): string | null {
    const [name] = [...this.joins].find(([, join]) => join !== '' && join === id) ?? []
    if (name === undefined) return null
    if (!isTemporary(code)) return name
    this.o.env.setTimeout(() => {
      if (this.joins.get(name) === id) this.join(this.room(name), true)
    }, Math.max(retry_after_ms ?? retryDelay, 100))
    return null
  }

  private join(room: Room, resume: boolean): void {
    const id = this.o.env.randomKey(12)
    const from = resume && room.epoch !== null ? { since: room.lastSeq, epoch: room.epoch } : { tail }
    if (!this.joins.has(room.name)) this.fresh.add(room.name)
    if (this.o.send({ type: 'join', id, room: room.name, ...from })) this.joins.set(room.name, id)
  }
}
