import { firstMessage, foldInto } from './fold'
import type { EventFrame, History, Joined, Message } from './frames'
import { People } from './people'

/** How many messages a room keeps in memory; older ones can be loaded again. */
export const kept = {
  /** A room that is not shown. */
  away: 500,
  /** The room that is shown, at its newest message. */
  following: 3_000,
  /** The room that is shown, while somebody reads older messages. */
  reading: 150_000,
}

/** What became of an event: "hole" says that events before it are missing. */
export type Taken = 'taken' | 'known' | 'hole'

/** The local view of one room. It grows by joined, event and history frames. */
export class Room {
  readonly name: string
  readonly people = new People()
  topic = ''
  more = false
  lastSeq = 0
  /** Set by the first joined; without it there is nothing to continue. */
  epoch: string | null = null
  /** The bound on messages; see kept. */
  keep = kept.away
  private messages: Message[] = []
  private ids = new Set<string>() // of the messages, not unique on their own
  private view: readonly Message[] | null = null

  constructor(name: string) {
    this.name = name
  }

  /** The messages, oldest first; the same array until something changes. */
  all(): readonly Message[] {
    this.view ??= [...this.messages]
    return this.view
  }

  /** Returns whether the view began anew. */
  joined(frame: Joined): boolean {
    const other = this.epoch !== null && this.epoch !== frame.epoch
    this.epoch = frame.epoch
    if (frame.messages === undefined && !frame.reset && !other) return false // events follow
    this.messages = sorted(frame.messages ?? [])
    this.ids = new Set(this.messages.map(({ id }) => id))
    this.view = null
    this.more = frame.more
    this.lastSeq = frame.last_seq
    return true
  }

  event(frame: EventFrame): Taken {
    if (frame.seq <= this.lastSeq) return 'known'
    if (frame.prev > this.lastSeq) return 'hole'
    this.lastSeq = frame.seq
    const { kind } = frame.event
    if (kind === 'message') this.append(firstMessage(frame))
    else if (kind === 'room') this.topic = frame.event.topic ?? this.topic
    else this.change(frame)
    return 'taken'
  }

  /** Puts a page of older messages before those that are known. */
  history(frame: History): void {
    const first = this.messages[0]?.seq ?? Infinity
    const older = sorted(frame.messages.filter(({ seq }) => seq < first))
    this.messages = [...older, ...this.messages]
    older.forEach(({ id }) => this.ids.add(id))
    this.more = frame.more && older.length > 0
    this.view = null
  }

  /** Whether a message of this author and id has arrived. */
  has(uid: string, id: string): boolean {
    return this.ids.has(id) && this.messages.some((message) => message.id === id && message.uid === uid)
  }

  /** Drops the oldest messages that are more than keep, in larger portions. */
  trim(): void {
    const excess = this.messages.length - this.keep
    if (excess <= this.keep / 10) return
    this.messages.splice(0, excess).forEach(({ id }) => this.ids.delete(id))
    this.more = true
    this.view = null
  }

  /** How many messages of others came after seq; at most limit. */
  unread(seq: number, uid: string, limit: number): number {
    let found = 0
    for (let i = this.messages.length - 1; i >= 0 && found < limit; i--) {
      const message = this.messages[i]
      if (!message || message.seq <= seq) break
      if (message.uid !== uid && message.deleted !== true) found++
    }
    return found
  }

  private append(message: Message): void {
    this.people.said(message.uid)
    if (this.has(message.uid, message.id)) return
    this.messages.push(message)
    this.ids.add(message.id)
    this.view = null
    this.trim()
  }

  private change(frame: EventFrame): void {
    const at = indexOf(this.messages, frame.event.target ?? 0)
    const before = this.messages[at]
    if (!before) return
    const after = foldInto(before, frame)
    if (after === before) return
    this.messages[at] = after
    this.view = null
  }
}

/** The index of a seq in messages in order, or -1. */
export function indexOf(messages: readonly Message[], seq: number): number {
  let low = 0
  let high = messages.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((messages[middle]?.seq ?? 0) < seq) low = middle + 1
    else high = middle
  }
  return messages[low]?.seq === seq ? low : -1
}

const sorted = (messages: Message[]): Message[] => messages.toSorted((a, b) => a.seq - b.seq)
