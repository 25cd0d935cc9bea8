import { describe, expect, it } from 'vitest'
import type { Message } from '../../client/frames'
import type { Change, Unsent } from '../../client/outbox'
import { byTarget, excerpt, overlay, startsDay, startsGroup, startsNew } from './rows'

const at = (hour: number, minute = 0, day = 10) => new Date(2026, 4, day, hour, minute).toISOString()
const message = (more: Partial<Message> = {}): Message => ({ seq: 1, ts: at(9), id: 'i', uid: 'a', user: 'ana', text: 'x', ...more })
const entry = (change: Change, more: Partial<Unsent> = {}): Unsent =>
  ({ id: 'e', room: 'r', change, epoch: null, user: 'ana', at: 0, tried: true, ...more })

describe('groups', () => {
  it.each([
    ['the same author soon after', { ts: at(9, 4) }, false],
    ['a pause', { ts: at(9, 5) }, true],
    ['another author', { uid: 'b' }, true],
    ['another name', { user: 'anna' }, true],
    ['a reply', { reply_to: 1 }, true],
    ['an unreadable time', { ts: 'x' }, true],
  ])('after %s', (_, more, starts) => {
    expect(startsGroup(message({ seq: 2, ...more }), message())).toBe(starts)
  })

  it('and days begin at midnight here', () => {
    expect(startsDay(message({ ts: at(0, 1) }), message({ ts: at(23, 59, 9) }))).toBe(true)
    expect(startsGroup(message({ ts: at(0, 1) }), message({ ts: at(23, 59, 9) }))).toBe(true)
    expect(startsDay(message({ ts: at(9, 1) }), message())).toBe(false)
    expect(startsDay(message({ ts: '' }), message())).toBe(false)
  })

  it('know where the new ones begin', () => {
    expect([startsNew(message({ seq: 5 }), message({ seq: 4 }), 4), startsNew(message({ seq: 6 }), message({ seq: 5 }), 4),
      startsNew(message({ seq: 5 }), undefined, 4), startsNew(message({ seq: 5 }), message({ seq: 4 }), null)]).toEqual([true, false, true, false])
  })
})

describe('what is under way', () => {
  it('is shown at once, and what failed is not', () => {
    const edit = entry({ kind: 'edit', target: 1, text: 'y' })
    expect(overlay(message(), [edit], 'a')).toMatchObject({ message: { text: 'y' }, open: edit })
    const failed = { ...edit, failed: 'not_found' }
    expect(overlay(message(), [failed], 'a')).toMatchObject({ message: { text: 'x' }, open: failed })
    expect(overlay(message(), undefined, 'a').message).toEqual(message())
  })

  it('counts a reaction of one person once', () => {
    const on = entry({ kind: 'react', target: 1, emoji: '__proto__', on: true })
    const { message: once } = overlay(message(), [on, on], 'a')
    expect(Object.entries(once.reactions ?? {})).toEqual([['__proto__', 1]])
    expect(Object.keys(overlay(once, [entry({ kind: 'react', target: 1, emoji: '__proto__', on: false })], 'a').message.reactions ?? {})).toEqual([])
  })

  it('is found by its target', () => {
    const change = entry({ kind: 'delete', target: 7 })
    expect(byTarget([change, change])?.get(7)).toHaveLength(2)
    expect(byTarget([])).toBeUndefined()
  })
})

it('quotes one line', () => {
  expect([excerpt('\n a\nb'), excerpt(undefined), excerpt('x'.repeat(500)).length]).toEqual(['a', '', 161])
})
