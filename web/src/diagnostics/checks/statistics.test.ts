import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { DiagEnv, DiagResponse } from '../env'
import { target } from '../samples'
import { sidesOf } from './extra'
import { askStatistics, readStatistics } from './statistics'

const answer = {
  attempts: [{ started: '2026-01-01T00:00:00Z', trace: 'a', gateway: 'g', outcome: 'refused', last_stage: 'origin', error_type: '<b>\u202e', status: 403, path: '/ws/chat/', upgraded_us: null, age_us: 1500 }],
  statistics: { total: 10, succeeded: 8, failed: 2, success_rate: 0.8, joined: 7, never_arrived: 2, durations: [{ kind: 'handshake', n: 8, p50_us: 1500 }], errors: [{ error: 'origin_refused', stage: 'origin', failures: 2, share: 1 }], close_codes: [{ close_code: 1000, close_initiator: 'client', closes: 5, share: 1 }], stages: [{ stage: 'accept', passed: 10, share: 1 }] },
}

it('reads what the server tells, in milliseconds and without control characters', () => {
  const s = readStatistics(answer)
  expect(s).toMatchObject({ total: 10, successRate: 0.8, neverArrived: 2, errors: [{ name: 'origin_refused at origin', count: 2 }], closeCodes: [{ name: '1000 by client', count: 5 }], durations: [{ kind: 'handshake', p50: 1.5 }] })
  expect(s?.attempts[0]).toMatchObject({ outcome: 'refused', errorType: '<b>\uFFFD', openMs: null, agedMs: 1.5 })
})

it('takes any document without a throw, and no share above 1', () => {
  fc.assert(fc.property(fc.anything(), fc.dictionary(fc.constantFrom('total', 'success_rate', 'errors', 'durations', 'stages'), fc.anything()), (value, statistics) => {
    readStatistics(value)
    const s = readStatistics({ attempts: [value], statistics })
    if (s) expect(s.successRate).toBeLessThanOrEqual(1)
  }))
})

function asking(status: number, body: string) {
  const asked: { url: string; init: RequestInit }[] = []
  const env = {
    setTimeout: () => 1, clearTimeout: () => undefined,
    fetch: (url: string, init: RequestInit) => {
      asked.push({ url, init })
      return Promise.resolve({ status, type: 'basic', headers: new Headers(), body: new Response(body).body } satisfies DiagResponse)
    },
  } as unknown as DiagEnv
  return { asked, ask: (token: string | null) => askStatistics(env, { base: 'http://chat.test/', traces: ['t1', 't2'], token, outcome: 'refused' }, new AbortController().signal) }
}

it('asks for its own traces, or with the token for all', async () => {
  const t = asking(200, JSON.stringify(answer))
  expect((await t.ask(null)).state).toBe('told')
  expect((await t.ask('secret')).state).toBe('told')
  expect(t.asked.map((a) => a.url)).toEqual([
    'http://chat.test/chat/diagnostics/?limit=50&outcome=refused&traces=t1%2Ct2', 'http://chat.test/chat/diagnostics/?limit=50&outcome=refused',
  ])
  expect(t.asked.map((a) => a.init.headers)).toEqual([undefined, { Authorization: 'Bearer secret' }])
})

it.each([[200, '<html>'], [200, '[]'], [404, '{}'], [503, '{}'], [401, ''], [500, '']])('says why there are none: %i %s', async (status, body) => {
  expect(await asking(status, body).ask(null)).toEqual({ state: 'not_told', why: expect.stringMatching(/^[A-Z].*\.$/) as string })
})

it('tries each way once, the one in use first', () => {
  const labels = sidesOf(target).map((side) => side.label)
  expect(labels[0]).toBe('ws://chat.test:8001')
  expect(new Set(labels).size).toBe(labels.length)
  expect(labels).toEqual(expect.arrayContaining(['wss://chat.test', 'ws://chat.test:8000', 'wss://chat.test:8001']))
})
