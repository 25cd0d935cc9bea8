import { firstMessage, foldInto } from './fold'
import type { EventFrame, History, Joined, Message } from './frames'

/** Messages that one room keeps in memory; older ones can be loaded again. */
export const keptMessages = 10_000

/** What became of an event: "hole" says that events before it are missing. */
export type Taken = 'taken' | 'known' | 'hole'

/** The local view of one room. It grows by joined, event and history frames. */
export class Room {
  readonly name: string
  messages: Message[] = []
  more = false
  members = 0
  lastSeq = 0
  /** Set by the first joined; without it there is nothing to continue. */
  epoch: string | null = null

  constructor(name: string) {
    this.name = name
  }

  joined(frame: Joined): void {
    this.members = frame.members
    const other = this.epoch !== null && this.epoch !== frame.epoch
    this.epoch = frame.epoch
    if (frame.messages === undefined && !frame.reset && !other) return // events follow
    this.messages = sorted(frame.messages ?? [])
    this.more = frame.more
    this.lastSeq = frame.last_seq
  }

  event(frame: EventFrame): Taken {
    if (frame.seq <= this.lastSeq) return 'known'
    if (frame.prev > this.lastSeq) return 'hole'
    this.lastSeq = frame.seq
    if (frame.event.kind === 'message') this.append(firstMessage(frame))
    else this.change(frame)
    return 'taken'
  }

  /** Puts a page of older messages before those that are known. */
  history(frame: History): void {
    const known = new Set(this.messages.map((message) => message.seq))
    this.messages = sorted([...frame.messages.filter((message) => !known.has(message.seq)), ...this.messages])
    this.more = frame.more
  }

  /** Whether a message of this author and id has arrived. */
  has(uid: string, id: string): boolean {
    return this.messages.findLast((message) => message.id === id && message.uid === uid) !== undefined
  }

  private append(message: Message): void {
    if (this.has(message.uid, message.id)) return
    this.messages.push(message)
    if (this.messages.length > keptMessages) {
      this.messages.splice(0, this.messages.length - keptMessages)
      this.more = true
    }
  }

  private change(frame: EventFrame): void {
    const at = this.messages.findLastIndex((message) => message.seq === frame.event.target)
    const message = this.messages[at]
    if (message) this.messages[at] = foldInto(message, frame)
  }
}

const sorted = (messages: Message[]): Message[] => messages.toSorted((a, b) => a.seq - b.seq)
