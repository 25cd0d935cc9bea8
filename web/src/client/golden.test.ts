import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Message } from './frames'
import { parseFrame, parseMessages } from './parse'
import { Room } from './room'

const files = (folder: string): [string, unknown][] => {
  const url = new URL(`../../../${folder}/`, import.meta.url)
  return readdirSync(url).map((name) => [name.replace('.json', ''), JSON.parse(readFileSync(new URL(name, url), 'utf8'))])
}
interface Stored { seq: number; event: { id: string } }

const scenarios = files('events/testdata/fold') as [string, { events: Stored[]; folded: Message[] }][]
const frames = files('gateway/frame/testdata') as [string, { type: string }][]

// A page of the server names at most 50 who reacted; whoever saw it happen knows all.
const named = (message: Message): Message => ({
  ...message, ...(message.reacted && { reacted: Object.fromEntries(Object.entries(message.reacted).map(([emoji, uids]) => [emoji, uids.slice(0, 50)])) }),
})

// The scenarios use one id for all; ids are unique for an author, and others are one message.
const own = <T extends { id: string }>(seq: number, item: T): T => ({ ...item, id: `${item.id}-${String(seq)}` })

it('has files to test on', () => {
  expect([scenarios.length, frames.length].map((n) => n > 9)).toEqual([true, true])
})

it.each(scenarios)('folds events as the server does: %s', (_, { events, folded }) => {
  const room = new Room('lobby')
  room.joined({ type: 'joined', room: 'lobby', epoch: 'e', last_seq: 0, members: 1, messages: [], more: false, reset: false })
  for (const stored of events) {
    const frame = parseFrame(JSON.stringify({ type: 'event', ...stored, event: own(stored.seq, stored.event) }))
    expect(frame?.type).toBe('event')
    if (frame?.type === 'event') expect(room.event(frame)).toBe('taken')
  }
  expect(room.all().map(named)).toEqual(parseMessages(folded.map((message) => own(message.seq, message))))
})

it.each(frames)('reads what the server writes: %s', (_, frame) => {
  const read = parseFrame(JSON.stringify(frame))
  if (frame.type === 'authed') expect(read).toBeNull() // the page does not renew tokens in place
  else expect(read?.type).toBe(frame.type)
})
