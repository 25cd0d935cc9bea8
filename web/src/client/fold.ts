import type { EventFrame, Message, RoomEvent } from './frames'

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
  const { id, uid, user, text, reply_to, meta } = event
  return {
    seq, ts, id, uid, user, text,
    ...(reply_to !== undefined && { reply_to }),
    ...(meta !== undefined && { meta }),
  }
}

function tombstone({ seq, ts, id, uid, user, edited, reply_to }: Message): Message {
  return {
    seq, ts, id, uid, user, deleted: true,
    ...(edited !== undefined && { edited }),
    ...(reply_to !== undefined && { reply_to }),
  }
}

// Names are gathered without the bound of a page: whoever saw the reactions
// happen knows them all, and a second "on" of one of them changes nothing.
function react(message: Message, { emoji, uid, on }: RoomEvent): Message {
  if (emoji === undefined || on === undefined) return message
  const total = own(message.reactions, emoji) ?? 0
  const named = own(message.reacted, emoji) ?? []
  const known = named.includes(uid)
  if (on ? known : !known && total <= named.length) return message
  const next = on ? [...named, uid] : named.filter((other) => other !== uid)
  return withReaction(message, emoji, on ? total + 1 : total - 1, next)
}

// A member of that name may be inherited from Object.prototype.
function own<T>(fields: Record<string, T> | undefined, key: string): T | undefined {
  return fields && Object.hasOwn(fields, key) ? fields[key] : undefined
}

function withReaction(message: Message, emoji: string, total: number, named: string[]): Message {
  const { reactions, reacted, ...rest } = message
  const counts = put(reactions ?? {}, emoji, total, total > 0)
  const names = put(reacted ?? {}, emoji, named, total > 0)
  return Object.keys(counts).length === 0 ? rest : { ...rest, reactions: counts, reacted: names }
}

// Keeps the place of a key, so that a chip does not jump when it is counted up.
function put<T>(fields: Record<string, T>, key: string, value: T, keep: boolean): Record<string, T> {
  const entries = Object.entries(fields)
  const at = entries.findIndex(([name]) => name === key)
  if (!keep) return Object.fromEntries(entries.filter(([name]) => name !== key))
  if (at < 0) entries.push([key, value])
  else entries[at] = [key, value]
  return Object.fromEntries(entries)
}
