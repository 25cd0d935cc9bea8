import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FindingCode } from './codes'
import { diagnose, verdict } from './diagnose'
import { forbidden } from './facts'
import type { Evidence, HttpProbe, LadderRung, LongTests, ServerRecord, SocketAttempt, Tri } from './evidence'
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
const closeCodes = fc.constantFrom(0, 1000, 1001, 1003, 1005, 1006, 1008, 1009, 1011, 1013, 4001, 4003, 4008, 4009, 4029, 4999)
const errors = fc.constantFrom<string[]>([], ['storage_unavailable'], ['internal'])
const attempts: fc.Arbitrary<SocketAttempt> = fc.oneof(
  fc.constantFrom<SocketAttempt>(socket(), refusedSocket, hungSocket, skipped, { state: 'threw', name: 'SecurityError', message: '' }, { state: 'threw', name: 'SyntaxError', message: '' }, { state: 'threw', name: 'NS_ERROR_CONTENT_BLOCKED', message: '' }, { state: 'threw', name: 'TypeError', message: '' }),
  fc.tuple(closeCodes, errors).map(([code, list]) => ({ ...closedSocket(code), errors: list })),
  fc.constantFrom<SocketAttempt>({ ...closedSocket(0), timedOut: true }, socket({ offered: false })),
  fc.tuple(tri, fc.constantFrom(1006, 1009)).map(([returned, closeCode]) => socket({ closeCode, full: { bytes: 18_560, returned, closeCode } })),
)
const records: fc.Arbitrary<ServerRecord> = fc.oneof(
  fc.constantFrom<ServerRecord>(none, notKnown, upgradedRecord, record(stage('request'))),
  fc.tuple(refusals, fc.constantFrom('1.1', '1.0', ''), fc.constantFrom('', 'the token has expired', 'no token', 'another audience')).map(([code, httpVersion, detail]) => ({ ...refusedRecord(403, code, detail), httpVersion }) as ServerRecord),
  fc.tuple(fc.constantFrom('server', 'client', 'network', 'timeout'), closeCodes)
    .map(([closeBy, closeCode]) => record(stage('upgraded'), stage('closed', { closeBy, closeCode }))),
)
const size = fc.record({ bytes: fc.constantFrom(125, 9_000, 65_536), binary: fc.boolean(), returned: tri })
const echoes: fc.Arbitrary<Evidence['echo']> = fc.oneof(fc.constant('skipped' as const), fc.record({
  attempt: attempts, samples: fc.array(fc.constantFrom(1, 2, 190, 400), { maxLength: 20 }), stallMs: fc.constantFrom(0, 1, 500), sizes: fc.array(size, { maxLength: 4 }),
  throughput: fc.constantFrom(0, 1e6), record: fc.constant(notKnown),
}))
const earlier = fc.array(fc.record({ trace: fc.constant('t'), at: fc.nat(9), opened: fc.boolean(), closeCode: closeCodes, lastedMs: fc.nat(90_000), record: records }), { maxLength: 3 })
const rung = fc.oneof(
  fc.constantFrom<LadderRung>({ idleS: 25, outcome: 'held' }, { idleS: 65, outcome: 'void' }, { idleS: 65, outcome: 'failed' }),
  fc.nat(60).map((cutAfterS): LadderRung => ({ idleS: 65, outcome: 'cut', cutAfterS })),
)
const long: fc.Arbitrary<LongTests> = fc.record({
  ladder: fc.record({ rungs: fc.array(rung, { maxLength: 3 }), controlHeld: tri, heartbeatS: fc.constantFrom(0, 25, 75) }),
  stream: fc.record({ chunks: fc.nat(5), spreadMs: fc.constantFrom(0, 150, 800), expectedMs: fc.constantFrom(0, 800) }),
  resume: fc.record({ ok: tri, detail: fc.constant('') }), repeat: fc.record({ tried: fc.nat(5), failed: fc.nat(5) }),
  lifetime: fc.record({ seconds: fc.constant(300), livedS: fc.constant(100), cut: fc.boolean() }),
}, { requiredKeys: [] })
const dryRuns: fc.Arbitrary<Evidence['dryRun']> = fc.oneof(fc.constant('unknown' as const), fc.record({
  decision: fc.constantFrom('accept' as const, 'refuse' as const), status: fc.constant(403), code: fc.constantFrom('', 'origin_refused', 'bad_host', 'draining'), rule: fc.constant('none'),
}))
const evidence: fc.Arbitrary<Evidence> = fc.record({
  status, route, attempt: attempts, variant: attempts, record: records, variantRecord: records, opaque: tri, image: tri, nonce: tri, echo: echoes,
  earlier, long, dryRun: dryRuns, opaqueTimedOut: fc.boolean(), online: fc.boolean(), visible: fc.boolean(), websocket: fc.constantFrom('native', 'wrapped', 'missing'),
  https: fc.boolean(), policy: fc.constantFrom('none', 'enforced', 'report', 'other'), at: fc.constantFrom('chat.test', 'localhost', '192.168.1.5'),
  sameHost: fc.boolean(), nullOrigin: fc.boolean(), clockOffsetMs: fc.constantFrom(0, 100_000, 86_400_000, -86_400_000), clockErrorMs: fc.constantFrom(1, 90_000),
}).map((x) => {
  const { online, visible, websocket, https, policy, at, sameHost, nullOrigin, ...rest } = x
  const named = (address: string) => address.replace('chat.test', at)
  const port = sameHost ? '8000' : '8001'
  return healthy({
    ...rest,
    browser: { ...browser, online, visible, websocket, protocol: https ? 'https:' : 'http:', origin: https ? 'https://example.org' : browser.origin },
    violations: policy === 'none' ? [] : [{ blocked: policy === 'other' ? 'ws://other.test/' : named('ws://chat.test:8001'), directive: 'connect-src', enforced: policy !== 'report' }],
    target: { ws: named(target.ws), echo: named(target.echo), http: named(target.http), route: named(`http://chat.test:${port}/ws/chat/`), origin: nullOrigin ? 'null' : target.origin },
  })
})

const each = (check: (e: Evidence, found: Finding[]) => void) =>
  { fc.assert(fc.property(evidence, (e) => { check(e, diagnose(e)) }), { numRuns: 2_500, seed: 1 }) }

const isOpen = (e: Evidence) => e.attempt.state === 'done' && e.attempt.opened
const fine = (e: Evidence) => e.attempt.state === 'done' && e.attempt.endedHere && e.attempt.errors.length === 0
type Seen = Extract<ServerRecord, { state: 'seen' }>['stages'][number]
const holds = (r: ServerRecord, fits: (s: Seen) => boolean) => r.state === 'seen' && r.stages.some(fits)
const refusedWith = (e: Evidence, code: string) => holds(e.record, (s) => s.outcome === 'refused' && s.errorType === code)
const version = (e: Evidence) => e.record.state === 'seen' ? e.record.httpVersion : ''
// The server closed this connection, or an earlier one of the chat, with a code.
const closedWith = (...codes: number[]) => (e: Evidence) => {
  const by = (r: ServerRecord) => holds(r, (s) => s.stage === 'closed' && (s.closeBy === 'server' || s.closeBy === 'timeout') && codes.includes(s.closeCode ?? 0))
  return isOpen(e) && by(e.record) || e.earlier.some((x) => by(x.record))
}
const lostByNetwork = (r: ServerRecord) => holds(r, (s) => s.stage === 'closed' && s.closeBy === 'network')
const says = (e: Evidence, part: string, fits: (value: Record<string, unknown>) => boolean) =>
  e.status.state === 'answered' && e.status.kind === 'ours' && fits((e.status.body?.[part] ?? {}) as Record<string, unknown>)
const dryRefuses = (e: Evidence, code: string) => e.dryRun !== 'unknown' && e.dryRun.decision === 'refuse' && e.dryRun.code === code
const routeSays = (e: Evidence, code: string) => e.route.state === 'answered' && e.route.code === code
const echo = (e: Evidence, fits: (x: Exclude<Evidence['echo'], 'skipped'>) => boolean) => e.echo !== 'skipped' && fits(e.echo)
const full = (e: Evidence) => e.attempt.state === 'done' && e.attempt.full?.returned === 'no'

// What must have been seen before a cause may be called proved; written apart
// from the table, for every code that can be.
const needs: Partial<Record<FindingCode, (e: Evidence) => boolean>> = {
  websocket_missing: (e) => e.browser.websocket === 'missing',
  websocket_wrapped: (e) => e.browser.websocket === 'wrapped',
  page_hidden: (e) => !e.browser.visible,
  csp_blocked: (e) => e.violations.some((v) => v.enforced && !v.blocked.includes('other')) && !isOpen(e),
  mixed_content: (e) => forbidden(e.attempt) && e.browser.protocol === 'https:' && !e.target.ws.includes('localhost'),
  bad_url: (e) => e.attempt.state === 'threw' && e.attempt.name === 'SyntaxError',
  upgrade_stripped: (e) => refusedWith(e, 'upgrade_required') && version(e) !== '1.0',
  http10_proxy: (e) => refusedWith(e, 'upgrade_required') && version(e) === '1.0',
  origin_refused: (e) => e.target.origin !== 'null' && (refusedWith(e, 'origin_refused') || dryRefuses(e, 'origin_refused')),
  origin_null_refused: (e) => e.target.origin === 'null' && (refusedWith(e, 'origin_refused') || dryRefuses(e, 'origin_refused')),
  host_refused: (e) => refusedWith(e, 'bad_host') || routeSays(e, 'bad_host') || dryRefuses(e, 'bad_host'),
  token_missing: (e) => refusedWith(e, 'unauthenticated'),
  token_audience: (e) => refusedWith(e, 'unauthenticated'),
  token_refused: (e) => refusedWith(e, 'unauthenticated'),
  token_expired: (e) => refusedWith(e, 'unauthenticated') || closedWith(4001)(e),
  rate_limited: (e) => refusedWith(e, 'rate_limited') || closedWith(4029)(e),
  server_full: (e) => refusedWith(e, 'overloaded'),
  server_draining: (e) => refusedWith(e, 'draining') || closedWith(1001)(e) || says(e, 'websocket', (v) => v.draining === true),
  wrong_path: (e) => refusedWith(e, 'not_found') || routeSays(e, 'not_found'),
  request_refused: (e) => [e.record, ...e.earlier.map((x) => x.record)].some((r) => holds(r, (s) => s.outcome === 'refused')),
  handshake_swallowed: (e) => holds(e.record, (s) => s.stage === 'upgraded' && s.outcome === 'ok') && !isOpen(e),
  subprotocol_stripped: (e) => !isOpen(e) && e.variant.state === 'done' && e.variant.opened && e.variant.endedHere,
  connection_cut: (e) => isOpen(e) && lostByNetwork(e.record) || e.earlier.some((x) => x.opened && lostByNetwork(x.record)),
  close_frame_lost: (e) => closedWith(1001, 1003, 1008, 1009, 1011, 1013, 4001, 4003, 4008, 4009, 4029, 4999)(e) && e.attempt.state === 'done' && e.attempt.closeCode === 1006,
  policy_violation: closedWith(1008),
  server_error: (e) => closedWith(1011)(e) || e.attempt.state === 'done' && e.attempt.errors.length > 0,
  server_busy: closedWith(1013),
  kicked: closedWith(4003),
  slow_consumer: closedWith(4008),
  heartbeat_missed: closedWith(4009),
  server_closed: closedWith(1003, 4999),
  message_too_big: closedWith(1009),
  storage_unavailable: (e) => e.attempt.state === 'done' && e.attempt.errors.includes('storage_unavailable') || says(e, 'storage', (v) => v.nats !== 'connected'),
  analytics_unavailable: (e) => says(e, 'analytics', (v) => v.ok === false && v.mode !== 'off'),
  clock_skew: (e) => Math.abs(e.clockOffsetMs ?? 0) > 120_000,
  stale_answer: (e) => e.nonce === 'no',
  cors_stripped: (e) => e.opaque === 'yes' && e.image === 'yes' && e.status.state === 'failed',
  slow_network: (e) => echo(e, (x) => x.stallMs < 400 && x.samples.filter((s) => s >= 200).length * 2 >= x.samples.length),
  large_frames_lost: (e) => full(e) || echo(e, (x) => x.sizes.some((s) => s.returned === 'no') && x.sizes.some((s) => s.returned === 'yes')),
  echo_unavailable: (e) => fine(e) && echo(e, (x) => x.attempt.state === 'done' && !x.attempt.opened),
  idle_cut: (e) => e.long.ladder?.controlHeld === 'yes' && e.long.ladder.rungs.some((r) => r.outcome === 'cut'),
  proxy_buffering: (e) => e.long.stream !== undefined && e.long.stream.chunks > 0 && e.long.stream.spreadMs < 200,
  resume_broken: (e) => e.long.resume?.ok === 'no',
}

describe('no combination of evidence', () => {
  test('proves a cause that contradicts it', () => {
    const met = new Set<FindingCode>()
    each((e, found) => {
      for (const f of found) {
        if (f.kind !== 'connection' || f.confidence !== 'proved') continue
        met.add(f.code)
        expect(needs[f.code]?.(e), `${f.code} ${JSON.stringify(e)}`).toBe(true)
      }
    })
    // Combinations that never lead to a cause would prove nothing about it.
    expect(Object.keys(needs).filter((code) => !met.has(code as FindingCode))).toEqual([])
  })

  test('is answered differently when it is asked again, or in words without evidence and advice', () => {
    each((e, found) => {
      expect(diagnose(e)).toEqual(found)
      for (const f of found) expect([f.title.length > 8, f.evidence.length > 0, f.advice.text.length > 0]).toEqual([true, true, true])
    })
  })

  test('says that CORS stops a WebSocket', () => {
    each((_, found) => {
      for (const f of found) {
        if (f.severity === 'critical') expect(f.title).not.toContain('CORS')
        if (f.code === 'cors_stripped') expect(f.title).toContain('does not touch the WebSocket')
      }
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
      // What ended an earlier connection is told, as a warning.
      expect(found.filter((f) => causes.includes(f.code) && f.severity === 'critical')).toEqual([])
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
