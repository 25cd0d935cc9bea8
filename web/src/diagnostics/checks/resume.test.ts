import { afterEach, beforeEach, expect, it, test, vi } from 'vitest'
import { diagnose, verdict } from '../diagnose'
import { FakeBrowser, settled, textOf } from '../fake'
import { healthy, target } from '../samples'
import { resume } from './extra'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

type Frame = Record<string, unknown>

const event = (seq: number, prev: number): Frame => ({ type: 'event', seq, prev, room: 'lobby' })
const first: Frame = { type: 'joined', epoch: 'e1', last_seq: 9, messages: [{ seq: 3 }, { seq: 5 }, { seq: 9 }] }

/** A chat that answers the two joins with these frames. */
async function resuming(second: Frame[], before: Frame | null = first) {
  const browser = new FakeBrowser(), joins: Frame[] = []
  browser.serve = (peer) => {
    peer.open('partyline.v1')
    peer.say('{"type":"welcome"}')
    peer.heard = (data) => {
      const frame = JSON.parse(textOf(data)) as Frame
      if (frame.type === 'ping') peer.say('{"type":"pong","t":1}')
      if (frame.type !== 'join') return
      joins.push(frame)
      const answer = joins.length > 1 ? second : before ? [before] : [{ type: 'error', code: 'forbidden', id: frame.id }]
      for (const f of answer) peer.say(JSON.stringify(f.type === 'joined' ? { id: frame.id, ...f } : f))
    }
  }
  const { value, tookMs } = await settled(resume(browser, target, { user: 'ana', protocols: ['partyline.v1'], room: 'lobby' }, new AbortController().signal))
  expect(browser.live).toBe(0)
  return { ok: value.resume?.ok, detail: value.resume?.detail ?? '', code: verdict(healthy(), diagnose(healthy({ long: value }))).code, joins, tookMs }
}

it('joins, drops, joins again with since, and finds no hole', async () => {
  const r = await resuming([{ type: 'joined', epoch: 'e1', replayed: 2 }, event(5, 3), { type: 'presence' }, event(9, 5)])
  expect([r.ok, r.code]).toEqual(['yes', 'healthy'])
  expect(r.detail).toContain('2 events came again after event 3')
  expect(r.joins.map(({ room, tail, since, epoch }) => ({ room, tail, since, epoch }))).toEqual([
    { room: 'lobby', tail: 20, since: undefined, epoch: undefined }, { room: 'lobby', tail: undefined, since: 3, epoch: 'e1' },
  ])
})

it('works in an empty room, and takes what was said meanwhile', async () => {
  const empty = { type: 'joined', epoch: 'e1', last_seq: 0, messages: [] }
  expect((await resuming([{ type: 'joined', epoch: 'e1', replayed: 0 }], empty)).ok).toBe('yes')
  expect((await resuming([{ type: 'joined', epoch: 'e1', replayed: 1 }, event(4, 0)], empty)).ok).toBe('yes')
})

test.each<[string, Frame[], string]>([
  ['a hole', [{ type: 'joined', epoch: 'e1', replayed: 2 }, event(5, 3), event(9, 7)], 'names 7 as the one before'],
  ['a double', [{ type: 'joined', epoch: 'e1', replayed: 2 }, event(5, 3), event(5, 5)], 'After event 5 came 5'],
  ['a replay that ends early', [{ type: 'joined', epoch: 'e1', replayed: 1 }, event(5, 3)], 'ended at event 5; 9 had been seen'],
  ['another log', [{ type: 'joined', epoch: 'e2', replayed: 0 }], 'another log'],
  ['a reset', [{ type: 'joined', epoch: 'e1', reset: true, messages: [] }], 'could not go on after event 3'],
  ['words for numbers', [{ type: 'joined', epoch: 'e1', replayed: 1 }, { type: 'event', seq: '\u202e5', prev: 3 }], 'After event 3 came'],
])('names %s', async (_, second, words) => {
  const r = await resuming(second)
  expect([r.ok, r.code]).toEqual(['no', 'resume_broken'])
  expect(r.detail).toContain(words)
  expect(r.detail).not.toContain('\u202e')
})

it('does not know when joining is refused, or nothing comes', async () => {
  expect(await resuming([], null)).toMatchObject({ ok: 'unknown', code: 'healthy' })
  const silent = await resuming([{ type: 'joined', epoch: 'e1', replayed: 2 }, event(5, 3)])
  expect(silent).toMatchObject({ ok: 'unknown', code: 'healthy' })
  expect(silent.tookMs).toBeLessThan(6_000)
})
