import { expect, it } from 'vitest'
import { firstMessage, foldInto } from './fold'
import type { EventFrame, RoomEvent } from './frames'

const frame = (seq: number, event: Partial<RoomEvent>): EventFrame => ({
  type: 'event', room: 'r', seq, prev: 0, ts: `t${String(seq)}`,
  event: { kind: 'message', id: 'i', uid: 'a', user: 'ana', text: '', ...event },
})
const first = firstMessage(frame(1, { text: 'hello' }))

it('lets only the author edit and delete, and nothing follows a deletion', () => {
  expect(foldInto(first, frame(2, { kind: 'edit', uid: 'b', target: 1, text: 'x' }))).toBe(first)
  const edited = foldInto(first, frame(2, { kind: 'edit', target: 1, text: 'x' }))
  expect(edited).toMatchObject({ text: 'x', edited: 't2' })
  const gone = foldInto(edited, frame(3, { kind: 'delete', target: 1 }))
  expect(gone).not.toHaveProperty('text')
  expect(gone.deleted).toBe(true)
  expect(foldInto(gone, frame(4, { kind: 'edit', target: 1, text: 'y' }))).toBe(gone)
})

it('counts reactions as sets, whatever they are called', () => {
  const on = (m: typeof first, seq: number, uid: string, set: boolean, emoji = '__proto__') =>
    foldInto(m, frame(seq, { kind: 'react', uid, target: 1, emoji, on: set }))
  const one = on(first, 2, 'b', true)
  expect(on(one, 3, 'b', true)).toBe(one)
  expect(Object.entries(on(one, 3, 'c', true).reactions ?? {})).toEqual([['__proto__', 2]])
  expect(on(one, 4, 'b', false)).not.toHaveProperty('reactions')
  expect(on(one, 4, 'd', false)).toBe(one)
})
