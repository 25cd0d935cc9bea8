import type { EventFrame, Message, RoomEvent } from './frames'

/** How many uids of a reaction are known one by one. */
const namedReactions = 50

/**
 * Applies an edit, deletion or reaction to its message, by the rules of the
 * server's package events. Returns the same object if nothing changes.
 */
export function foldInto(message: Message, frame: EventFrame): Message {
  const { event } = frame
  if (message.deleted === true || event.target !== message.seq || message.seq >= frame.seq) return message
  if (event.kind === 'react') return react(message, event)
  if (event.uid !== message.uid) return message
  if (event.kind === 'edit') return { ...message, text: event.text, edited: frame.ts }
  if (event.kind === 'delete') return tombstone(message)
  return message
}

/** The message that an event of kind "message" begins. */
export function firstMessage({ seq, ts, event }: EventFrame): Message {
  const { id, uid, user, text, reply_to } = event
  return { seq, ts, id, uid, user, text, ...(reply_to !== undefined && { reply_to }) }
}

function tombstone({ seq, ts, id, uid, user, edited, reply_to }: Message): Message {
  return {
    seq, ts, id, uid, user, deleted: true,
    ...(edited !== undefined && { edited }),
    ...(reply_to !== undefined && { reply_to }),
  }
}

function react(message: Message, { emoji, uid, on }: RoomEvent): Message {
  if (emoji === undefined || on === undefined) return message
  const total = own(message.reactions, emoji) ?? 0
  const named = own(message.reacted, emoji) ?? []
  const known = named.includes(uid)
  if (on ? known : !known && total <= named.length) return message
  const next = on ? [...named, uid].slice(0, namedReactions) : named.filter((other) => other !== uid)
  return withReaction(message, emoji, on ? total + 1 : total - 1, next)
}

// A member of that name may be inherited from Object.prototype.
function own<T>(fields: Record<string, T> | undefined, key: string): T | undefined {
  return fields && Object.hasOwn(fields, key) ? fields[key] : undefined
}

function withReaction(message: Message, emoji: string, total: number, named: string[]): Message {
  const { reactions, reacted, ...rest } = message
  const counts = Object.entries(reactions ?? {}).filter(([key]) => key !== emoji)
  const names = Object.entries(reacted ?? {}).filter(([key]) => key !== emoji)
  if (total > 0) {
    counts.push([emoji, total])
    names.push([emoji, named])
  }
  if (counts.length === 0) return rest
  return { ...rest, reactions: Object.fromEntries(counts), reacted: Object.fromEntries(names) }
}
