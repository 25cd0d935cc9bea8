import { expect, it } from 'vitest'
import type { ConnectionState } from './connection'
import type { StateChange } from './journal'
import { Reports } from './reports'
import { memoryStore, type Store } from './store'

type Body = Record<string, unknown>

function setup(consent: unknown, store: Store = memoryStore(), status = 202) {
  const sent: Body[] = []
  const questions: number[] = []
  let now = Date.parse('2026-01-01T00:00:00Z')
  let log: StateChange[] = []
  const asked: Promise<unknown>[] = []
  const reports = new Reports({
    env: { now: () => now, date: () => now }, store, url: 'wss://chat.test/ws/chat/', surroundings: () => ({ language: 'en', connection: '', online: true, secure: true }),
    onQuestion: (count) => { questions.push(count) },
    ask: (path, body) => {
      if (body) sent.push(body as Body)
      const answer = Promise.resolve(path === '/chat/status/' ? { status: 200, body: { client_reports: consent } } : { status, body: null })
      asked.push(answer)
      return answer
    },
  })
  const step = (state: ConnectionState, trace: string, after = 1_000) => {
    now += after
    log = [...log, { at: now, time: now, state, trace: state.name === 'connecting' ? '' : trace }].slice(-10)
    reports.watch({ log, connection: state, server: state.name === 'online' ? { version: '', gateway: '', limits: {} as never, heartbeat: 25, reportKey: 'key-of-the-welcome' } : null })
  }
  const fail = (n: number, why: 'unreachable' | 'no_answer' | 'drain' = 'unreachable', after = 1_000) => {
    step({ name: 'connecting' }, '', after)
    step({ name: 'waiting', until: 0, why }, `trace-number-${String(n).padStart(6, '0')}`)
  }
  const online = async () => {
    step({ name: 'online' }, 'trace-that-worked-1')
    for (let i = 0; i < 40; i++) await Promise.resolve()
  }
  return { reports, sent, questions, step, fail, online, store, asked }
}

it('sends what failed after the next success, once, with the key of the welcome', async () => {
  const t = setup('on')
  t.fail(1)
  expect(t.sent).toEqual([])
  await t.online()
  await t.online()
  expect(t.sent).toEqual([{
    trace: 'trace-number-000001', report_key: 'key-of-the-welcome', verdict: 'unreachable', confidence: 'unknown', reached: 'nothing', duration_us: 1_000_000,
    scheme: 'wss', host: 'chat.test', path: '/ws/chat/', at: '2026-01-01T00:00:02.000Z', environment: { language: 'en', connection: '', online: true, secure: true },
  }])
  expect(t.reports.kept()).toEqual([])
})

it('keeps one of many alike, and ten at most', () => {
  const t = setup('on')
  for (let i = 0; i < 100; i++) t.fail(i)
  expect(t.reports.kept()).toHaveLength(1)
  for (let i = 0; i < 30; i++) t.fail(1_000 + i, i % 2 === 0 ? 'no_answer' : 'unreachable', 11 * 60_000)
  expect(t.reports.kept()).toHaveLength(10)
})

it('keeps nothing that the server meant', () => {
  const t = setup('on')
  t.fail(1, 'drain')
  expect(t.reports.kept()).toEqual([])
})

it('asks the person where the server says so, and sends nothing before or after a no', async () => {
  const t = setup('ask')
  t.fail(1)
  await t.online()
  expect(t.questions).toEqual([1])
  expect(t.sent).toEqual([])
  t.reports.decide(false, 'k')
  t.fail(2, 'no_answer')
  await t.online()
  expect(t.sent).toEqual([])
  t.reports.decide(true, 'k')
  t.fail(3, 'no_answer', 11 * 60_000)
  await t.online()
  expect(t.sent.map((b) => b.verdict)).toContain('no_answer')
})

it.each(['off', undefined, '<b>', 7])('sends nothing to a server that says %s', async (consent) => {
  const t = setup(consent)
  t.fail(1)
  await t.online()
  expect(t.sent).toEqual([])
  expect(t.reports.kept()).toEqual([])
})

it.each([[429, 1], [503, 1], [400, 0], [404, 0]])('after status %i keeps %i', async (status, kept) => {
  const t = setup('on', memoryStore(), status)
  t.fail(1)
  await t.online()
  expect(t.sent).toHaveLength(1)
  expect(t.reports.kept()).toHaveLength(kept)
})

it('survives whatever the storage holds', () => {
  const store = memoryStore()
  for (const text of ['{', '5', '[null, 5, {"trace": "<script>"}]', `[${'{"trace":"x"},'.repeat(1_000)}0]`]) {
    store.set('partyline.reports', text)
    expect(setup('on', store).reports.kept()).toEqual([])
  }
})
