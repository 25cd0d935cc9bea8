import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Client } from './client'
import { steadyClock, type Env, type Socket, type Turns } from './env'
import { memoryStore } from './store'

class FakeSocket implements Socket {
  onopen: Socket['onopen'] = null
  onmessage: Socket['onmessage'] = null
  onerror: Socket['onerror'] = null
  onclose: Socket['onclose'] = null
  sent: Record<string, unknown>[] = []
  send(text: string) { this.sent.push(JSON.parse(text) as Record<string, unknown>) }
  close() { /* never answers */ }
  give(frame: unknown) { this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) }) }
  of(type: string) { return this.sent.filter((frame) => frame.type === type) }
}

function setup(store = memoryStore(), turns?: Turns) {
  const sockets: FakeSocket[] = []
  let keys = 0
  const env: Env = {
    now: steadyClock(), date: () => Date.now(), random: () => 0.5, randomKey: () => `key-${String(++keys)}-${String(Math.random()).slice(2)}`,
    setTimeout: (run, ms) => setTimeout(run, ms) as unknown as number,
    clearTimeout: (timer) => { clearTimeout(timer) },
    connect: () => {
      const socket = new FakeSocket()
      sockets.push(socket)
      return socket
    },
    ...(turns && { turns }),
  }
  const client = new Client({ env, store, urls: ['ws://x/ws/chat/'], clientKey: 'k'.repeat(32), user: 'ana' }, 'lobby')
  client.start()
  const last = () => sockets.at(-1) ?? new FakeSocket()
  const welcome = () => { last().give({ type: 'welcome', uid: 'u1', epoch: 'e1', user: 'ana', heartbeat_s: 25, time: '2026-01-01T00:00:00Z' }) }
  const joined = (more: object = {}) => {
    const join = last().of('join').at(-1)
    last().give({ type: 'joined', room: 'lobby', id: join?.id, epoch: 'e1', last_seq: 5, messages: [], ...more })
  }
  const event = (seq: number, prev: number, event: object = {}) => {
    last().give({ type: 'event', room: 'lobby', seq, prev, ts: '', event: { kind: 'message', id: `i${String(seq)}`, uid: 'u2', user: 'ben', text: `t${String(seq)}`, ...event } })
  }
  const shown = () => { vi.advanceTimersByTime(20); return client.snapshot() }
  const online = () => { welcome(); joined() }
  return { client, sockets, last, welcome, joined, event, shown, online, store }
}

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

describe('events', () => {
  it('appear once and in order', () => {
    const t = setup()
    t.online()
    t.event(6, 5)
    t.event(6, 5)
    t.event(9, 6)
    expect(t.shown().messages.map((m) => m.seq)).toEqual([6, 9])
  })

  it('that leave a hole are asked for again, and then the room begins anew', () => {
    const t = setup()
    t.online()
    t.event(9, 7)
    expect(t.last().of('join').at(-1)).toMatchObject({ since: 5, epoch: 'e1' })
    t.joined({ messages: undefined, last_seq: 9 })
    t.event(9, 7)
    expect(t.last().of('join').at(-1)).toMatchObject({ tail: 50 })
  })

  it('of one id are one message for one author, and two for two', () => {
    const t = setup()
    t.online()
    t.event(6, 5, { id: 'same', uid: 'u2', text: 'a' })
    t.event(7, 6, { id: 'same', uid: 'u2', text: 'a' })
    t.event(8, 7, { id: 'same', uid: 'u3', text: 'b' })
    expect(t.shown().messages.map((m) => m.text)).toEqual(['a', 'b'])
  })

  it('survive nonsense between them', () => {
    const t = setup()
    t.online()
    for (const bad of ['', '<html>', '[]', 'null', '{"type":"__proto__"}', '{"type":"event","room":"lobby"}', '{"type":"new"}']) t.last().give(bad)
    t.event(6, 5)
    expect(t.shown().messages).toHaveLength(1)
  })
})

describe('a reconnect', () => {
  it('resumes after the last event seen', () => {
    const t = setup()
    t.online()
    t.event(6, 5)
    t.last().onclose?.({ code: 1006, reason: '' })
    expect(t.shown().connection).toMatchObject({ name: 'waiting', why: 'cut' })
    vi.advanceTimersByTime(500)
    t.welcome()
    expect(t.last().of('join')[0]).toMatchObject({ since: 6, epoch: 'e1' })
    t.joined({ messages: undefined, last_seq: 8 })
    t.event(8, 6)
    expect(t.shown().messages.map((m) => m.seq)).toEqual([6, 8])
  })

  it('drops the view on a reset', () => {
    const t = setup()
    t.online()
    t.event(6, 5)
    t.last().onclose?.({ code: 1001, reason: '' })
    vi.advanceTimersByTime(500)
    t.welcome()
    t.joined({ reset: true, epoch: 'e2', last_seq: 2, messages: [{ seq: 2, id: 'x', uid: 'u2', text: 'new' }] })
    expect(t.shown().messages.map((m) => m.text)).toEqual(['new'])
  })

  it('follows an error without a close, and silence, and ignores the old socket', () => {
    const t = setup()
    t.last().onerror?.(undefined as never)
    vi.advanceTimersByTime(2_000)
    expect(t.sockets).toHaveLength(2)
    t.online()
    const [, old] = t.sockets
    const deliver = old?.onmessage
    vi.advanceTimersByTime(20_000 + 8_000 + 1_000)
    expect(t.sockets).toHaveLength(3)
    t.online()
    deliver?.({ data: JSON.stringify({ type: 'event', room: 'lobby', seq: 6, prev: 5, ts: '', event: {} }) })
    expect(t.shown().messages).toHaveLength(0)
  })

  it('waits as long as bye asked, and not at all where the code forbids it', () => {
    const t = setup()
    t.online()
    t.last().give({ type: 'bye', reason: 'drain', reconnect_after_ms: 4_000 })
    t.last().onclose?.({ code: 1001, reason: '' })
    vi.advanceTimersByTime(3_900)
    expect(t.sockets).toHaveLength(1)
    vi.advanceTimersByTime(200)
    expect(t.sockets).toHaveLength(2)
    t.online()
    t.last().onclose?.({ code: 4003, reason: '' })
    vi.advanceTimersByTime(100_000)
    expect(t.sockets).toHaveLength(2)
    expect(t.shown().connection.name).toBe('stopped')
  })

  it('is tried at once when the machine wakes up, and a silent connection is given up soon', () => {
    const t = setup()
    t.online()
    t.last().onclose?.({ code: 1006, reason: '' })
    t.client.wake()
    expect(t.sockets).toHaveLength(2)
    t.online()
    t.last().give({ type: 'pong', t: t.last().of('ping')[0]?.t })
    t.client.wake()
    vi.advanceTimersByTime(2_900)
    expect(t.shown().connection.name).toBe('online')
    vi.advanceTimersByTime(200)
    expect(t.shown().connection).toMatchObject({ name: 'waiting', why: 'silent' })
  })

  it('waits for its turn while nobody looks, and follows the tab that came through', () => {
    const turn: { run?: (release: () => void) => void; up?: () => void; released: number } = { released: 0 }
    const t = setup(memoryStore(), {
      urgent: () => false, up: () => undefined, onUp: (listener) => { turn.up = listener },
      ask: (run) => { turn.run = run; return () => undefined },
    })
    t.online()
    t.last().onclose?.({ code: 1006, reason: '' })
    vi.advanceTimersByTime(60_000)
    expect(t.sockets).toHaveLength(1) // another tab has the turn
    turn.run?.(() => { turn.released++ })
    expect(t.sockets).toHaveLength(2)
    expect(turn.released).toBe(0)
    t.online()
    expect(turn.released).toBe(1)
  })

  it('comes back although the clock was set back by a day', () => {
    const t = setup()
    t.online()
    t.last().give({ type: 'bye', reason: 'drain', reconnect_after_ms: 4_000 })
    vi.setSystemTime(Date.now() - 86_400_000)
    t.last().onclose?.({ code: 1001, reason: '' })
    vi.advanceTimersByTime(5_000)
    expect(t.sockets).toHaveLength(2)
  })
})

it('shows times by the server’s clock, and tells when the device’s is set later', () => {
  vi.setSystemTime('2026-01-01T01:00:00Z') // an hour ahead
  const t = setup()
  const times = () => t.shown().log.map(({ time }) => new Date(time).toISOString().slice(0, 18))
  t.last().onclose?.({ code: 1006, reason: '' })
  expect(times()).toEqual(['2026-01-01T01:00:0', '2026-01-01T01:00:0'])
  vi.advanceTimersByTime(500)
  t.online()
  expect(times()).toEqual(Array.from({ length: 4 }, () => expect.stringMatching(/^2026-01-01T00:00:0|^2025-12-31T23:59:5/) as string))
  expect(t.shown().clockOffset).toBe(-3_601) // half a second has passed
  vi.setSystemTime(Date.now() + 86_400_000)
  t.client.wake()
  t.last().give({ type: 'pong', t: t.last().of('ping').at(-1)?.t, time: '2026-01-01T00:00:00.1Z' })
  expect(t.shown()).toMatchObject({ clockOffset: -90_001, roundTrip: 0 })
  t.last().onclose?.({ code: 1006, reason: '' })
  expect(times().at(-1)).toBe('2026-01-01T00:00:0')
})

it('asks for a room again that the server could not open yet', () => {
  const t = setup()
  t.welcome()
  t.last().give({ type: 'error', code: 'storage_unavailable', message: '', id: t.last().of('join')[0]?.id })
  vi.advanceTimersByTime(1_000)
  expect(t.last().of('join')).toHaveLength(2)
  t.joined()
  t.event(6, 5)
  expect(t.shown().messages).toHaveLength(1)
})

describe('unsent messages', () => {
  it('are sent again with the same id, in order, as retries', () => {
    const t = setup()
    t.online()
    t.client.say('one')
    t.client.say('two')
    const [first] = t.last().of('send')
    expect(first).not.toHaveProperty('retry')
    t.last().onclose?.({ code: 1006, reason: '' })
    vi.advanceTimersByTime(500)
    t.welcome()
    t.joined({ messages: undefined })
    expect(t.last().of('send')).toEqual([{ ...first, retry: true }])
    t.last().give({ type: 'ack', id: first?.id, seq: 6, ts: '' })
    expect(t.last().of('send').map((f) => f.text)).toEqual(['one', 'two'])
  })

  it('wait when limited, and fail when refused', () => {
    const t = setup()
    t.online()
    t.client.say('one')
    t.client.say('two')
    const id = t.last().of('send')[0]?.id
    t.last().give({ type: 'error', code: 'rate_limited', message: '', id, retry_after_ms: 2_000 })
    expect(t.last().of('send')).toHaveLength(1)
    vi.advanceTimersByTime(2_000)
    expect(t.last().of('send').map((f) => f.text)).toEqual(['one', 'one'])
    t.last().give({ type: 'error', code: 'bad_text', message: 'no', id })
    expect(t.last().of('send').at(-1)?.text).toBe('two')
    expect(t.shown().unsent.map((e) => [e.change, e.failed])).toEqual([
      [{ kind: 'send', text: 'one' }, 'bad_text'], [{ kind: 'send', text: 'two' }, undefined]])
  })

  it('do not hit another message after the log was restored', () => {
    const t = setup()
    t.online()
    t.event(6, 5, { uid: 'u1' })
    t.last().onclose?.({ code: 1006, reason: '' })
    t.client.edit(6, 'changed')
    t.client.say('an answer', 6)
    vi.advanceTimersByTime(500)
    t.welcome()
    t.joined({ reset: true, epoch: 'e2', last_seq: 9 })
    expect(t.last().of('edit')).toEqual([])
    expect(t.last().of('send')).toMatchObject([{ text: 'an answer' }])
    expect(t.last().of('send')[0]).not.toHaveProperty('reply_to')
    expect(t.shown().changes.map((e) => e.failed)).toEqual(['log_changed'])
  })

  it('that were tried under another name wait for their author', () => {
    const before = setup()
    before.online()
    before.client.say('tried')
    before.client.say('not tried')
    before.client.stop()
    const t = setup(before.store)
    t.client.setUser('ben')
    for (const key of t.client.foreignOutboxes()) t.client.adopt(key)
    expect(t.shown().unsent.map(({ user, failed }) => [user, failed])).toEqual([['ana', 'name_changed'], ['ben', undefined]])
  })

  it('are refused when too many wait', () => {
    const t = setup()
    expect(Array.from({ length: 201 }, () => t.client.say('x')).filter(Boolean)).toHaveLength(200)
  })

  it('outlive the page, and are not shown beside their event', () => {
    const before = setup()
    before.online()
    before.client.say('one')
    const id = before.last().of('send')[0]?.id as string
    before.client.stop()
    const t = setup(before.store)
    for (const key of t.client.foreignOutboxes()) t.client.adopt(key)
    t.online()
    expect(t.last().of('send')).toMatchObject([{ id, text: 'one', retry: true }])
    t.event(6, 5, { id, uid: 'u1' })
    expect(t.shown().unsent).toHaveLength(0)
    expect(t.shown().messages).toHaveLength(1)
    t.last().give({ type: 'ack', id, seq: 6, ts: '' })
    expect(t.client.snapshot().unsent).toHaveLength(0)
    expect(t.client.foreignOutboxes()).toEqual([])
  })
})
