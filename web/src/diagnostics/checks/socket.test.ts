import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { works } from '../facts'
import { chatting, echoing, FakeBrowser, settled, textOf, type Peer } from '../fake'
import { fullFrame } from './full'
import { attempt, type SocketOptions } from './socket'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

async function open(serve: FakeBrowser['serve'], options: Partial<SocketOptions> = {}, signal = new AbortController().signal) {
  const browser = new FakeBrowser()
  browser.serve = serve
  const r = await settled(attempt(browser, { url: 'ws://chat.test/ws/chat/', trace: 't', protocols: ['partyline.v1'], kind: 'chat', ...options }, signal))
  expect(browser.live).toBe(0)
  return r
}

it('sees welcome and pong, and closes', async () => {
  const { value, tookMs } = await open(chatting)
  expect(value).toMatchObject({ state: 'done', opened: true, endedHere: true, timedOut: false, subprotocol: 'partyline.v1', errors: [] })
  expect(works(value)).toBe(true)
  expect(tookMs).toBeLessThan(60)
})

it('settles on error without close, as browsers do under a policy', async () => {
  const { value, tookMs } = await open((peer) => { peer.fail() })
  expect(value).toMatchObject({ state: 'done', opened: false, errorEvent: true, timedOut: false })
  expect(value).not.toHaveProperty('closeCode')
  expect(tookMs).toBeLessThan(400)
})

it('keeps the code when close follows error', async () => {
  expect((await open((peer) => { peer.end(1006) })).value).toMatchObject({ opened: false, errorEvent: true, closeCode: 1006 })
})

it('gives up after its time when nothing happens', async () => {
  const { value, tookMs } = await open(() => undefined)
  expect(value).toMatchObject({ opened: false, timedOut: true })
  expect(tookMs).toBe(5_000)
})

it('gives up when nothing comes after the handshake, however late that was', async () => {
  const late = (ms: number) => (peer: Peer) => { setTimeout(() => { peer.open() }, ms) }
  expect((await open(late(100))).value).toMatchObject({ opened: true, timedOut: true })
  const { tookMs } = await open(late(4_900))
  expect(tookMs).toBeLessThanOrEqual(7_500)
})

it('takes a close with a code of its own as opened, though no event said so', async () => {
  expect((await open((peer) => { peer.end(1011) })).value).toMatchObject({ opened: true, closeCode: 1011, endedHere: false })
  expect((await open((peer) => { peer.end(1015) })).value).toMatchObject({ opened: false, closeCode: 1015 })
})

test.each([['SecurityError'], ['SyntaxError'], ['NS_ERROR_CONTENT_BLOCKED']])('tells what the constructor threw: %s', async (name) => {
  expect((await open(() => { throw Object.assign(new Error('no\u202e'), { name }) })).value).toEqual({ state: 'threw', name, message: 'no\uFFFD' })
})

it('ends when cancelled, before and meanwhile', async () => {
  const stop = new AbortController()
  setTimeout(() => { stop.abort() }, 50)
  expect((await open(() => undefined, {}, stop.signal)).value).toEqual({ state: 'skipped', why: 'cancelled' })
  expect((await open(chatting, {}, stop.signal)).value).toEqual({ state: 'skipped', why: 'cancelled' })
})

describe('hostile frames', () => {
  test.each<[string, string | ArrayBuffer]>([
    ['no JSON', '{'], ['a number', '7'], ['null', 'null'], ['binary', new ArrayBuffer(8)], ['a megabyte', `{"type":"${'x'.repeat(1 << 20)}"}`],
    ['a type that is no text', '{"type":{"toString":1}}'],
  ])('%s is no welcome', async (_, data) => {
    const { value } = await open((peer) => {
      peer.open()
      for (let i = 0; i < 100; i++) peer.say(data)
    })
    expect(value).toMatchObject({ opened: true, timedOut: true })
  })

  it('of errors are kept in a small number, without what could deceive', async () => {
    const { value } = await open((peer) => {
      peer.open()
      for (let i = 0; i < 1_000; i++) peer.say(JSON.stringify({ type: 'error', code: `<b>\u202e\u0000${'x'.repeat(500)}` }))
    })
    expect(value.state === 'done' && value.errors.length).toBe(8)
    expect(value.state === 'done' && value.errors[0]).toMatch(/^<b>\uFFFD\uFFFDx{59}$/)
  })

  it('do not count after the end', async () => {
    const { value } = await open((peer) => {
      chatting(peer)
      peer.end(1006)
      peer.end(1011)
      peer.say('{"type":"welcome"}')
    })
    expect(value).toMatchObject({ closeCode: 1006 })
  })
})

describe('a message as long as the contract allows', () => {
  const full = (answer: (peer: Peer, length: number) => void) => open((peer) => {
    chatting(peer)
    const small = peer.heard
    peer.heard = (data) => { if (textOf(data).length > 1_000) answer(peer, textOf(data).length); else small(data) }
  }, { full: true })

  it('is answered', async () => {
    let length = 0
    const { value } = await full((peer, n) => {
      length = n
      peer.say('{"type":"pong","t":2}')
    })
    expect(length).toBe(fullFrame)
    expect(value).toMatchObject({ full: { bytes: fullFrame, returned: 'yes' } })
    expect(works(value)).toBe(true)
  })

  it('is too big for the server, which does not undo that the connection works', async () => {
    const { value } = await full((peer) => { peer.end(1009) })
    expect(value).toMatchObject({ full: { returned: 'no', closeCode: 1009 } })
    expect(works(value)).toBe(true)
  })

  it('is lost', async () => {
    const { value, tookMs } = await full(() => undefined)
    expect(value).toMatchObject({ full: { returned: 'no' } })
    expect(value.state === 'done' && value.full).not.toHaveProperty('closeCode')
    expect(tookMs).toBeLessThan(2_100)
  })
})

it('judges echo by its own text alone', async () => {
  expect(works((await open(echoing, { kind: 'echo', protocols: [] })).value)).toBe(true)
  const other = await open((peer) => {
    peer.open()
    peer.heard = () => { peer.say('something else') }
  }, { kind: 'echo', protocols: [] })
  expect(other.value).toMatchObject({ opened: true, timedOut: true })
})
