import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { diagnose, verdict } from '../diagnose'
import type { LongTests } from '../evidence'
import { answered, cuttingAll, cuttingQuiet, echoing, FakeBrowser, json, settled } from '../fake'
import { healthy, target } from '../samples'
import { lifetime, sides } from './extra'
import { idleLadder, repeated, streaming } from './long'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

const never = () => new AbortController().signal
const named = (long: LongTests) => verdict(healthy(), diagnose(healthy({ long }))).code
const seconds = [25, 35, 65, 105]

async function climb(browser: FakeBrowser, signal = never()) {
  const left: number[] = []
  const { value, tookMs } = await settled(idleLadder(browser, target, seconds, 25, signal, (s) => left.push(s)))
  return { ladder: value, left, tookMs }
}

describe('quiet connections', () => {
  it('hold where nothing cuts them; the remaining time counts down to nothing', async () => {
    const browser = new FakeBrowser()
    browser.serve = echoing
    const { ladder, left, tookMs } = await climb(browser)
    expect(ladder).toEqual({ rungs: seconds.map((idleS) => ({ idleS, outcome: 'held' })), controlHeld: 'yes', heartbeatS: 25 })
    expect(left[0]).toBe(105)
    expect(left).toEqual([...left].sort((a, b) => b - a))
    expect(left.at(-1)).toBeLessThanOrEqual(1)
    expect(Math.round(tookMs / 1000)).toBe(105)
    expect(named({ ladder })).toBe('healthy')
    expect(browser.live).toBe(0)
  })

  it('are found to be cut after 60 s, and the busy one beside them is not', async () => {
    const browser = new FakeBrowser()
    browser.serve = cuttingQuiet(60)
    const { ladder } = await climb(browser)
    expect(ladder.rungs).toEqual([
      { idleS: 25, outcome: 'held' }, { idleS: 35, outcome: 'held' }, { idleS: 65, outcome: 'cut', cutAfterS: 60 }, { idleS: 105, outcome: 'cut', cutAfterS: 60 },
    ])
    expect(ladder.controlHeld).toBe('yes')
    // The heartbeat of 25 s is shorter, so the chat is not touched.
    expect(named({ ladder })).toBe('healthy')
    expect(named({ ladder: { ...ladder, heartbeatS: 75 } })).toBe('idle_cut')
  })

  it('prove nothing when the busy one is cut too', async () => {
    const browser = new FakeBrowser()
    browser.serve = cuttingAll(50)
    const { ladder } = await climb(browser)
    expect(ladder.controlHeld).toBe('no')
    expect(named({ ladder })).toBe('lifetime_cut')
  })

  it('prove nothing when the page was in the background', async () => {
    const browser = new FakeBrowser()
    browser.serve = cuttingQuiet(60)
    browser.page = { ...browser.page, visible: false }
    expect((await climb(browser)).ladder.rungs.map((r) => r.outcome)).toEqual(seconds.map(() => 'void'))
  })

  it('that do not open are failures and no cuts', async () => {
    const browser = new FakeBrowser()
    browser.serve = (peer) => { peer.end(1006) }
    const { ladder } = await climb(browser)
    expect(ladder.rungs.map((r) => r.outcome)).toEqual(seconds.map(() => 'failed'))
    expect(named({ ladder })).toBe('healthy')
  })

  it('end at once when cancelled, and leave no connection', async () => {
    const browser = new FakeBrowser(), stop = new AbortController()
    browser.serve = echoing
    setTimeout(() => { stop.abort() }, 30_000)
    const { ladder, tookMs } = await climb(browser, stop.signal)
    expect(Math.round(tookMs / 1000)).toBe(30)
    // What was over before it was cancelled is void as well: the ladder is incomplete.
    expect(ladder.rungs.map((r) => r.outcome)).toEqual(['held', 'void', 'void', 'void'])
    expect(browser.live).toBe(0)
  })
})

describe('the life of a connection', () => {
  const live = async (serve: FakeBrowser['serve'], signal = never()) => {
    const browser = new FakeBrowser(), left: number[] = []
    browser.serve = serve
    const { value } = await settled(lifetime(browser, target, 300, signal, (s) => left.push(s)))
    return { value, left, browser }
  }

  it('lasts where nothing ends it', async () => {
    const { value, left, browser } = await live(echoing)
    expect(value).toEqual({ lifetime: { seconds: 300, livedS: 300, cut: false } })
    expect([left[0], left.at(-1)]).toEqual([300, 1])
    expect(named(value)).toBe('healthy')
    expect(browser.live).toBe(0)
  })

  it('ends after 100 s, busy as it is', async () => {
    const { value } = await live(cuttingAll(100))
    expect(value).toEqual({ lifetime: { seconds: 300, livedS: 100, cut: true } })
    expect(named(value)).toBe('lifetime_cut')
  })

  it('is not known when it does not open, or is cancelled', async () => {
    expect((await live((peer) => { peer.end(1006) })).value).toEqual({})
    const stop = new AbortController()
    setTimeout(() => { stop.abort() }, 10_000)
    expect((await live(echoing, stop.signal)).value).toEqual({})
  })
})

describe('streaming', () => {
  const stream = async (pieces: (string | number)[], status = 200) => {
    const browser = new FakeBrowser()
    browser.answer = () => Promise.resolve(answered(status, 'application/x-ndjson', pieces))
    return settled(streaming(browser, target, never()))
  }

  test.each<[string, (string | number)[], LongTests['stream'], string]>([
    ['piece by piece', ['a', 200, 'b', 200, 'c', 200, 'd', 200, 'e'], { chunks: 5, spreadMs: 800, expectedMs: 800 }, 'healthy'],
    ['in one piece', [800, 'abcde'], { chunks: 1, spreadMs: 0, expectedMs: 800 }, 'proxy_buffering'],
    ['in two pieces at once', [800, 'abc', 'de'], { chunks: 2, spreadMs: 0, expectedMs: 800 }, 'proxy_buffering'],
  ])('comes %s', async (_, pieces, expected, code) => {
    const { value } = await stream(pieces)
    expect(value).toEqual(expected)
    expect(named({ stream: value })).toBe(code)
  })

  it('is not known when it is refused, fails or never ends', async () => {
    const unknown = { chunks: 0, spreadMs: 0, expectedMs: 0 }
    expect((await stream(['no'], 429)).value).toEqual(unknown)
    const broken = await settled(streaming(new FakeBrowser(), target, never()))
    expect(broken.value).toEqual(unknown)
    const browser = new FakeBrowser()
    browser.answer = () => new Promise(() => undefined)
    const hung = await settled(streaming(browser, target, never()))
    expect(hung.value).toEqual(unknown)
    expect(hung.tookMs).toBeLessThanOrEqual(10_010)
    expect(named({ stream: unknown })).toBe('healthy')
  })

  it('stops reading a body without end', async () => {
    const { value } = await stream(Array.from({ length: 5_000 }, () => 'x'))
    expect(value.chunks).toBe(1_000)
  })
})

test('two of five connections that fail are told apart from all and from none', async () => {
  const browser = new FakeBrowser()
  let n = 0
  browser.serve = (peer) => { if (++n % 2 === 0) peer.end(1006); else echoing(peer) }
  const { value } = await settled(repeated(browser, target, 5, never()))
  expect(value).toEqual({ tried: 5, failed: 2 })
  expect(named({ repeat: value })).toBe('intermittent')
  expect(named({ repeat: { tried: 5, failed: 5 } })).toBe('healthy')
})

describe('ports and schemes', () => {
  const look = async (signal: AbortSignal, progress: string[] = []) => {
    const browser = new FakeBrowser()
    browser.serve = (peer) => { if (peer.url.protocol === 'ws:' && peer.url.port === '8001') echoing(peer); else peer.end(1006) }
    browser.answer = (url) => url.port === '8000' ? Promise.resolve(json(426, { status: 426, code: 'upgrade_required' })) : Promise.reject(new TypeError('Failed to fetch'))
    return settled(sides(browser, target, signal, (label) => progress.push(label)))
  }

  it('are tried one after the other, and told one by one', async () => {
    const progress: string[] = []
    const { value } = await look(never(), progress)
    const told = value.sides?.map((s) => [s.label, s.http.state, s.attempt.state === 'done' && s.attempt.opened])
    expect(told).toContainEqual(['ws://chat.test:8001', 'failed', true])
    expect(told).toContainEqual(['ws://chat.test:8000', 'answered', false])
    expect(told).toContainEqual(['wss://chat.test', 'failed', false])
    expect(progress).toEqual(value.sides?.map((s) => s.label))
  })

  it('give nothing when cancelled', async () => {
    const stop = new AbortController()
    stop.abort()
    expect((await look(stop.signal)).value).toEqual({})
  })
})
