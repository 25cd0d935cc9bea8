import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { diagnose, verdict } from './diagnose'
import type { Evidence, HttpProbe, ServerRecord, SocketAttempt, Tri } from './evidence'
import type { Finding } from './finding'
import {
  browser, closedSocket, foreignAnswer, healthy, hungSocket, netFail, none, notKnown, ourAnswer, record, refusedRecord, refusedSocket,
  socket, stage, target, timeFail, upgradedRecord,
} from './samples'

// Every combination of what can be seen, also of those that no network makes.
const tri = fc.constantFrom<Tri>('yes', 'no', 'unknown')
const skipped = { state: 'skipped', why: '' } as const
const blocked = { state: 'failed', why: 'blocked', ms: 1 } as const
const foreignAnswers = fc.tuple(fc.constantFrom(200, 301, 401, 403, 404, 407, 500, 502, 503, 504), fc.constantFrom('html', 'other', 'redirect')).map(([s, k]) => foreignAnswer(s, k as 'html'))
const refusals = fc.constantFrom('upgrade_required', 'origin_refused', 'unauthenticated', 'bad_host', 'rate_limited', 'overloaded', 'draining', 'not_found', 'bad_request')
const status: fc.Arbitrary<HttpProbe> = fc.oneof(
  fc.constantFrom<HttpProbe>(netFail, timeFail, blocked, skipped, ...[healthy().status]), foreignAnswers,
  fc.constantFrom<HttpProbe>(ourAnswer(200, { storage: { nats: 'disconnected' } }), ourAnswer(200, { websocket: { draining: true }, analytics: { mode: 'server', ok: false } })),
)
const route: fc.Arbitrary<HttpProbe> = fc.oneof(
  fc.constantFrom<HttpProbe>(netFail, timeFail, blocked, skipped, healthy().route), foreignAnswers,
  refusals.map((code) => ourAnswer(403, { code, status: 403 })),
)
const attempts: fc.Arbitrary<SocketAttempt> = fc.oneof(
  fc.constantFrom<SocketAttempt>(socket(), refusedSocket, hungSocket, skipped, { state: 'threw', name: 'SecurityError', message: '' }, { state: 'threw', name: 'SyntaxError', message: '' }),
  fc.constantFrom(1000, 1006, 1009, 1011, 1013, 4001, 4008, 4009, 4029, 4999).map(closedSocket),
  fc.constant<SocketAttempt>({ ...closedSocket(0), timedOut: true }),
)
const records: fc.Arbitrary<ServerRecord> = fc.oneof(
  fc.constantFrom<ServerRecord>(none, notKnown, upgradedRecord, record(stage('request'))),
  fc.tuple(refusals, fc.constantFrom('1.1', '1.0', '')).map(([code, httpVersion]) => ({ ...refusedRecord(403, code), httpVersion }) as ServerRecord),
  fc.tuple(fc.constantFrom('server', 'client', 'network', 'timeout'), fc.constantFrom(0, 1000, 1006, 1011, 4008, 4009))
    .map(([closeBy, closeCode]) => record(stage('upgraded'), stage('closed', { closeBy, closeCode }))),
)
const evidence: fc.Arbitrary<Evidence> = fc.record({
  status, route, attempt: attempts, variant: attempts, record: records, variantRecord: records, opaque: tri, image: tri, nonce: tri,
  opaqueTimedOut: fc.boolean(), online: fc.boolean(), websocket: fc.constantFrom('native', 'wrapped', 'missing'), https: fc.boolean(),
  policy: fc.constantFrom('none', 'enforced', 'report', 'other'), dry: fc.constantFrom('accept', 'refuse', 'unknown'),
  sameHost: fc.boolean(), rtt: fc.constantFrom(0, 1, 400),
}).map((x) => healthy({
  status: x.status, route: x.route, attempt: x.attempt, variant: x.variant, record: x.record, variantRecord: x.variantRecord,
  opaque: x.opaque, image: x.image, nonce: x.nonce, opaqueTimedOut: x.opaqueTimedOut,
  browser: { ...browser, online: x.online, websocket: x.websocket, protocol: x.https ? 'https:' : 'http:' },
  violations: x.policy === 'none' ? [] : [{ blocked: x.policy === 'other' ? 'ws://other.test/' : 'ws://chat.test:8001', directive: 'connect-src', enforced: x.policy !== 'report' }],
  dryRun: x.dry === 'unknown' ? 'unknown' : { decision: x.dry as 'accept', status: 403, code: x.dry === 'refuse' ? 'origin_refused' : '', rule: 'none' },
  target: x.sameHost ? { ...target, route: 'http://chat.test:8000/ws/chat/' } : target,
  echo: x.rtt === 0 ? 'skipped' : { attempt: socket(), samples: [x.rtt], sizes: [], throughput: 0, record: notKnown },
}))

const each = (check: (e: Evidence, found: Finding[]) => void) =>
  { fc.assert(fc.property(evidence, (e) => { check(e, diagnose(e)) }), { numRuns: 4_000, seed: 1 }) }

const proved = (found: Finding[], code: string) => found.some((f) => f.code === code && f.confidence === 'proved')
const isOpen = (e: Evidence) => e.attempt.state === 'done' && e.attempt.opened
const fine = (e: Evidence) => e.attempt.state === 'done' && e.attempt.endedHere
const saw = (e: Evidence, name: string, fits: (s: { outcome: string; errorType?: string; closeBy?: string; closeCode?: number }) => boolean) =>
  e.record.state === 'seen' && e.record.stages.some((s) => (name === '' || s.stage === name) && fits(s))
const refusedWith = (e: Evidence, code: string) => saw(e, '', (s) => s.outcome === 'refused' && s.errorType === code)

// What must have been seen before a cause may be called proved; written apart
// from the table.
const needs: Record<string, (e: Evidence) => boolean> = {
  websocket_missing: (e) => e.browser.websocket === 'missing',
  csp_blocked: (e) => e.violations.some((v) => v.enforced && v.blocked.includes('chat.test')) && !isOpen(e),
  mixed_content: (e) => e.attempt.state === 'threw' && e.browser.protocol === 'https:',
  bad_url: (e) => e.attempt.state === 'threw',
  upgrade_stripped: (e) => refusedWith(e, 'upgrade_required') && !(e.record.state === 'seen' && e.record.httpVersion === '1.0'),
  http10_proxy: (e) => refusedWith(e, 'upgrade_required') && e.record.state === 'seen' && e.record.httpVersion === '1.0',
  origin_refused: (e) => refusedWith(e, 'origin_refused') || e.dryRun !== 'unknown' && e.dryRun.decision === 'refuse',
  token_refused: (e) => refusedWith(e, 'unauthenticated'),
  rate_limited: (e) => refusedWith(e, 'rate_limited') || saw(e, 'closed', (s) => s.closeCode === 4029),
  server_full: (e) => refusedWith(e, 'overloaded'),
  handshake_swallowed: (e) => saw(e, 'upgraded', (s) => s.outcome === 'ok') && !isOpen(e),
  subprotocol_stripped: (e) => !isOpen(e) && e.variant.state === 'done' && e.variant.opened,
  connection_cut: (e) => isOpen(e) && saw(e, 'closed', (s) => s.closeBy === 'network'),
  server_error: (e) => isOpen(e) && saw(e, 'closed', (s) => s.closeCode === 1011),
  slow_consumer: (e) => isOpen(e) && saw(e, 'closed', (s) => s.closeCode === 4008),
  cors_stripped: (e) => e.opaque === 'yes' && e.image === 'yes' && e.status.state === 'failed',
}

describe('no combination of evidence', () => {
  test('proves a cause that contradicts it', () => {
    each((e, found) => {
      for (const [code, need] of Object.entries(needs)) if (proved(found, code)) expect(need(e), `${code} ${JSON.stringify(e)}`).toBe(true)
    })
  })

  test('calls anything proved that only the browser’s silence says', () => {
    const guesses = ['server_unreachable', 'no_answer', 'ws_port_unreachable', 'route_unreachable', 'wrong_server', 'upgrade_blocked', 'upgrade_held', 'offline', 'private_network', 'cause_unknown', 'bad_gateway', 'spa_fallback', 'gate_refused']
    each((_, found) => { for (const f of found) if (guesses.includes(f.code)) expect(f.confidence).not.toBe('proved') })
  })

  test('makes a failed lookup count as "none"', () => {
    each((e, found) => {
      if (e.record.state !== 'unknown') return
      const claims = found.filter((f) => f.evidence.some((line) => line.includes('none saw')) || (f.code === 'upgrade_blocked' || f.code === 'upgrade_held') && f.confidence !== 'unknown')
      expect(claims).toEqual([])
    })
  })

  test('names a cause of failure for a connection that works', () => {
    each((e, found) => {
      if (!fine(e)) return
      const causes = ['upgrade_blocked', 'upgrade_held', 'server_unreachable', 'no_answer', 'handshake_swallowed', 'upgrade_stripped', 'cause_unknown', 'connection_cut', 'wrong_server', 'bad_gateway']
      expect(found.filter((f) => causes.includes(f.code))).toEqual([])
    })
  })

  test('leaves a failed connection without a verdict', () => {
    each((e, found) => {
      const failed = e.attempt.state === 'threw' || e.attempt.state === 'done' && !e.attempt.endedHere
      if (failed) expect(['healthy', 'incomplete']).not.toContain(verdict(e, found).code)
    })
  })

  test('lets posture decide the verdict', () => {
    each((e, found) => {
      const v = verdict(e, found.filter((f) => f.kind === 'posture'))
      expect(['healthy', 'incomplete']).toContain(v.code)
    })
  })
})
