import type { Message } from '../../client/frames'
import type { Unsent } from '../../client/outbox'
import { dayOf } from '../../shared/format'

const pause = 5 * 60_000 // milliseconds after which a group of messages ends

/** Whether a message begins another local day than the one before it. */
export function startsDay(message: Message, before: Message | undefined): boolean {
  const day = dayOf(message.ts)
  if (Number.isNaN(day)) return false
  return before === undefined || dayOf(before.ts) !== day
}

/** Whether a message begins a group: another author, a pause, a day, or a reply. */
export function startsGroup(message: Message, before: Message | undefined): boolean {
  if (before === undefined || before.uid !== message.uid || before.user !== message.user) return true
  if (message.reply_to !== undefined || startsDay(message, before)) return true
  const gap = Date.parse(message.ts) - Date.parse(before.ts)
  return !(gap < pause)
}

/** Whether the line above the first new message belongs above this one. */
export function startsNew(message: Message, before: Message | undefined, line: number | null): boolean {
  return line !== null && message.seq > line && (before === undefined || before.seq <= line)
}

/** A message with what its reader has changed and the server has not confirmed. */
export interface Overlaid {
  message: Message
  /** The change that is under way, or failed. */
  open: Unsent | undefined
}

/** Shows changes that are under way as if they were done; failed ones not. */
export function overlay(message: Message, changes: readonly Unsent[] | undefined, uid: string): Overlaid {
  let shown = message
  let open: Unsent | undefined
  for (const entry of changes ?? []) {
    const { change } = entry
    if (entry.failed !== undefined) open = entry
    else if (change.kind === 'edit') shown = { ...shown, text: change.text }
    else if (change.kind === 'react') shown = reacted(shown, change.emoji, uid, change.on)
    if (change.kind === 'edit' || change.kind === 'delete') open ??= entry
  }
  return { message: shown, open }
}

function reacted(message: Message, emoji: string, uid: string, on: boolean): Message {
  const named = new Map(Object.entries(message.reacted ?? {}))
  const counts = new Map(Object.entries(message.reactions ?? {}))
  const before = named.get(emoji) ?? []
  if (before.includes(uid) === on) return message
  const count = (counts.get(emoji) ?? 0) + (on ? 1 : -1)
  if (count > 0) counts.set(emoji, count)
  else counts.delete(emoji)
  named.set(emoji, on ? [...before, uid] : before.filter((other) => other !== uid))
  return { ...message, reactions: Object.fromEntries(counts), reacted: Object.fromEntries(named) }
}

/** The changes by the message that they are about; undefined if there are none. */
export function byTarget(changes: readonly Unsent[]): ReadonlyMap<number, readonly Unsent[]> | undefined {
  if (changes.length === 0) return undefined
  const map = new Map<number, Unsent[]>()
  for (const entry of changes) {
    if (entry.change.kind === 'send') continue
    const { target } = entry.change
    map.set(target, [...(map.get(target) ?? []), entry])
  }
  return map
}

/** The first line of a text, for a quotation. */
export function excerpt(text: string | undefined): string {
  const line = (text ?? '').trimStart().split('\n', 1)[0] ?? ''
  return line.length > 160 ? `${line.slice(0, 160)}…` : line
}
