import { describe, expect, test } from 'vitest'
import type { FindingCode } from './codes'
import { causeRows, diagnose, noteRows, verdict } from './diagnose'
import type { Evidence } from './evidence'
import type { Confidence } from './finding'
import { earlierRows } from './rules/notes'
import { postureRows } from './rules/posture'
import {
  broken, browser, closedSocket, foreignAnswer, healthy, hungSocket, netFail, none, notKnown, ourAnswer, record, refusedRecord,
  refusedSocket, socket, stage, target, timeFail, upgradedRecord,
} from './samples'

type Case = [name: string, evidence: Evidence, code: FindingCode | 'healthy', confidence: Confidence]

const unreachable: Partial<Evidence> = { status: netFail, route: netFail, probe: netFail, opaque: 'no', image: 'no', dryRun: 'unknown', record: notKnown, security: 'unknown' }
const refusedAs = (status: number, code: string, detail?: string) => broken({ record: refusedRecord(status, code, detail) })
const closedAs = (code: number, seen = code): Evidence => broken({
  attempt: closedSocket(seen), record: record(stage('upgraded'), stage('closed', { closeBy: 'server', closeCode: code })),
})
const ladder = (controlHeld: 'yes' | 'no', heartbeatS: number): Evidence =>
  healthy({ long: { ladder: { rungs: [{ idleS: 65, outcome: 'cut', cutAfterS: 60 }], controlHeld, heartbeatS } } })
const earlier = (closeCode: number, r = notKnown) => healthy({ earlier: [{ trace: 't', at: 1, opened: true, closeCode, lastedMs: 31_000, record: r }] })

const fullLost = (closeCode?: number) => socket({ full: { bytes: 18_560, returned: 'no', ...closeCode !== undefined && { closeCode } } })
const samples = (list: number[]) => healthy({ echo: { attempt: socket(), samples: list, stallMs: 0, sizes: [], throughput: 0, record: none } })

const cases: Case[] = [
  ['a healthy path', healthy(), 'healthy', 'proved'],
  ['healthy without a record', healthy({ record: notKnown, dryRun: 'unknown', security: 'unknown' }), 'healthy', 'proved'],
  ['no WebSocket', broken({ browser: { ...browser, websocket: 'missing' }, attempt: { state: 'skipped', why: '' } }), 'websocket_missing', 'proved'],
  ['policy of the page', broken({ violations: [{ blocked: 'ws://chat.test:8001/ws/chat/', directive: 'connect-src', enforced: true }] }), 'csp_blocked', 'proved'],
  ['a policy that only reports', broken({ violations: [{ blocked: 'ws://chat.test:8001/ws/chat/', directive: 'connect-src', enforced: false }] }), 'upgrade_blocked', 'likely'],
  ['mixed content', broken({ browser: { ...browser, protocol: 'https:' }, attempt: { state: 'threw', name: 'SecurityError', message: '' }, record: notKnown }), 'mixed_content', 'proved'],
  ['bad address', broken({ attempt: { state: 'threw', name: 'SyntaxError', message: '' }, record: notKnown }), 'bad_url', 'proved'],
  ['offline', broken({ ...unreachable, browser: { ...browser, online: false } }), 'offline', 'likely'],
  ['upgrade stripped', refusedAs(426, 'upgrade_required'), 'upgrade_stripped', 'proved'],
  ['HTTP/1.0', broken({ record: { ...refusedRecord(426, 'upgrade_required'), httpVersion: '1.0' } as Evidence['record'] }), 'http10_proxy', 'proved'],
  ['origin refused', refusedAs(403, 'origin_refused'), 'origin_refused', 'proved'],
  ['origin null', broken({ target: { ...target, origin: 'null' }, record: refusedRecord(403, 'origin_refused') }), 'origin_null_refused', 'proved'],
  ['token missing', refusedAs(401, 'unauthenticated', 'a token is needed'), 'token_missing', 'proved'],
  ['token expired', refusedAs(401, 'unauthenticated', 'the token has expired'), 'token_expired', 'proved'],
  ['token for another audience', refusedAs(401, 'unauthenticated', 'the token is for another audience'), 'token_audience', 'proved'],
  ['token wrong', refusedAs(401, 'unauthenticated', 'the signature is wrong'), 'token_refused', 'proved'],
  ['host refused', refusedAs(421, 'bad_host'), 'host_refused', 'proved'],
  ['host refused on the plain request', broken({ status: ourAnswer(421, { code: 'bad_host', status: 421 }), route: ourAnswer(421, { code: 'bad_host', status: 421 }), record: notKnown, dryRun: 'unknown' }), 'host_refused', 'proved'],
  ['rate', refusedAs(429, 'rate_limited'), 'rate_limited', 'proved'],
  ['full', refusedAs(503, 'overloaded'), 'server_full', 'proved'],
  ['full before it reads', broken({ route: ourAnswer(503, { code: 'overloaded', status: 503 }) }), 'server_full', 'likely'],
  ['draining', refusedAs(503, 'draining'), 'server_draining', 'proved'],
  ['wrong path of ours', refusedAs(404, 'not_found'), 'wrong_path', 'proved'],
  ['another refusal', refusedAs(400, 'bad_request'), 'request_refused', 'proved'],
  ['closed with 1011', closedAs(1011), 'server_error', 'proved'],
  ['closed with 1011, 1006 seen', closedAs(1011, 1006), 'server_error', 'proved'],
  ['closed with 4008', closedAs(4008), 'slow_consumer', 'proved'],
  ['closed with 1013', closedAs(1013), 'server_busy', 'proved'],
  ['closed with a new code', closedAs(4999), 'server_closed', 'proved'],
  ['closed, no record', broken({ attempt: closedSocket(1011), record: notKnown }), 'server_error', 'likely'],
  ['cut after open', broken({ attempt: closedSocket(1006), record: record(stage('upgraded'), stage('closed', { closeBy: 'network', closeCode: 1006 })) }), 'connection_cut', 'proved'],
  ['cut after open, no record', broken({ attempt: closedSocket(1006), record: notKnown }), 'connection_cut', 'unknown'],
  ['silent after open', broken({ attempt: { ...closedSocket(0), timedOut: true }, record: upgradedRecord }), 'silent_after_open', 'likely'],
  ['storage error', broken({ attempt: { ...closedSocket(0), errors: ['storage_unavailable'], timedOut: true } }), 'storage_unavailable', 'proved'],
  ['another error', broken({ attempt: { ...closedSocket(1000), errors: ['internal'] } }), 'connection_cut', 'unknown'],
  ['101 swallowed', broken({ record: upgradedRecord }), 'handshake_swallowed', 'proved'],
  ['subprotocol stripped', broken({ record: upgradedRecord, variant: socket({ offered: false }) }), 'subprotocol_stripped', 'proved'],
  ['stuck', broken({ record: record(stage('request')), attempt: hungSocket }), 'server_stuck', 'likely'],
  ['blocked', broken(), 'upgrade_blocked', 'likely'],
  ['blocked, lookup failed', broken({ record: notKnown }), 'upgrade_blocked', 'unknown'],
  ['held', broken({ attempt: hungSocket }), 'upgrade_held', 'likely'],
  ['held, lookup failed', broken({ attempt: hungSocket, record: notKnown }), 'upgrade_held', 'unknown'],
  ['page instead of route', broken({ route: foreignAnswer(200) }), 'spa_fallback', 'likely'],
  ['404 of a proxy', broken({ route: foreignAnswer(404) }), 'wrong_path', 'likely'],
  ['502', broken({ ...unreachable, status: foreignAnswer(502), route: foreignAnswer(502) }), 'bad_gateway', 'likely'],
  ['504', broken({ route: foreignAnswer(504) }), 'bad_gateway', 'likely'],
  ['401 of a gate', broken({ route: foreignAnswer(401) }), 'gate_refused', 'likely'],
  ['redirect', broken({ route: foreignAnswer(0, 'redirect') }), 'redirected', 'likely'],
  ['another program', broken({ ...unreachable, status: foreignAnswer(200), route: foreignAnswer(200) }), 'wrong_server', 'likely'],
  ['another program, unreadable', broken({ ...unreachable, opaque: 'yes' }), 'wrong_server', 'likely'],
  ['its port is closed', broken({ route: netFail }), 'ws_port_unreachable', 'likely'],
  ['its path is dead', broken({ route: netFail, target: { ...target, route: 'http://chat.test:8000/ws/chat/' } }), 'route_unreachable', 'likely'],
  ['public page, private address', broken({ ...unreachable, browser: { ...browser, origin: 'https://example.org' }, target: { ...target, route: 'http://192.168.1.5:8001/ws/chat/' } }), 'private_network', 'unknown'],
  ['stopped', broken(unreachable), 'server_unreachable', 'unknown'],
  ['packets dropped', broken({ ...unreachable, attempt: hungSocket, status: timeFail, route: timeFail, opaqueTimedOut: true }), 'no_answer', 'likely'],
  ['policy forbids the probes', broken({ status: { state: 'failed', why: 'blocked', ms: 1 }, route: { state: 'failed', why: 'blocked', ms: 1 }, record: notKnown, opaque: 'unknown', image: 'unknown' }), 'api_blocked', 'unknown'],
  ['nothing fits', broken({ ...unreachable, attempt: refusedSocket, opaque: 'unknown' }), 'cause_unknown', 'unknown'],
  ['CORS stripped', healthy({ status: netFail, route: netFail, record: notKnown, dryRun: 'unknown' }), 'cors_stripped', 'proved'],
  ['API elsewhere', healthy({ status: foreignAnswer(404), record: notKnown, dryRun: 'unknown' }), 'api_unreachable', 'likely'],
  ['no storage', healthy({ status: ourAnswer(200, { storage: { nats: 'disconnected' } }) }), 'storage_unavailable', 'proved'],
  ['no statistics', healthy({ status: ourAnswer(200, { analytics: { mode: 'server', ok: false } }) }), 'analytics_unavailable', 'proved'],
  ['status says draining', healthy({ status: ourAnswer(200, { websocket: { draining: true } }) }), 'server_draining', 'proved'],
  ['clock off by a day', healthy({ clockOffsetMs: 86_400_000 }), 'clock_skew', 'proved'],
  ['a stored answer', healthy({ nonce: 'no' }), 'stale_answer', 'proved'],
  ['the dry run refuses', healthy({ dryRun: { decision: 'refuse', status: 403, code: 'origin_refused', rule: 'none' } }), 'origin_refused', 'proved'],
  ['300 ms', healthy({ echo: { attempt: socket(), samples: [301, 302, 900], stallMs: 0, sizes: [], throughput: 0, record: none } }), 'slow_network', 'proved'],
  ['large frames', healthy({ echo: { attempt: socket(), samples: [1], stallMs: 0, sizes: [{ bytes: 125, binary: false, returned: 'yes' }, { bytes: 65_536, binary: false, returned: 'no' }], throughput: 0, record: none } }), 'large_frames_lost', 'proved'],
  ['message too big', healthy({ echo: { attempt: socket({ closeCode: 1009 }), samples: [1], stallMs: 0, sizes: [{ bytes: 125, binary: false, returned: 'yes' }, { bytes: 65_536, binary: false, returned: 'no' }], throughput: 0, record: none } }), 'message_too_big', 'likely'],
  ['a full message, refused by the record', healthy({ attempt: fullLost(1009), record: record(stage('upgraded'), stage('closed', { closeBy: 'server', closeCode: 1009 })) }), 'message_too_big', 'proved'],
  ['a full message, refused by a code', healthy({ attempt: fullLost(1009) }), 'message_too_big', 'likely'],
  ['a full message, lost', healthy({ attempt: fullLost() }), 'large_frames_lost', 'proved'],
  ['a full message, not known', healthy({ attempt: socket({ full: { bytes: 18_560, returned: 'unknown' } }) }), 'healthy', 'proved'],
  ['a few late round trips of many', samples(Array.from({ length: 20 }, (_, i) => i % 10 === 0 ? 210 : 2)), 'slow_network', 'likely'],
  ['late ones on a machine whose timers are late', healthy({ echo: { attempt: socket(), samples: Array.from({ length: 20 }, (_, i) => i % 3 === 0 ? 400 : 2), stallMs: 300, sizes: [], throughput: 0, record: none } }), 'healthy', 'proved'],
  ['a slow middle, where timers are as late', healthy({ echo: { attempt: socket(), samples: [300, 310, 320], stallMs: 250, sizes: [], throughput: 0, record: none } }), 'healthy', 'proved'],
  ['one late round trip', samples(Array.from({ length: 20 }, (_, i) => i === 3 ? 900 : 2)), 'healthy', 'proved'],
  ['late ones beside a slow middle', samples(Array.from({ length: 20 }, (_, i) => i % 4 === 0 ? 250 : 120)), 'healthy', 'proved'],
  ['Firefox under a policy, reported', broken({ attempt: { state: 'threw', name: 'NS_ERROR_CONTENT_BLOCKED', message: '' }, record: notKnown, violations: [{ blocked: 'ws://chat.test:8001/ws/chat/', directive: 'connect-src', enforced: true }] }), 'csp_blocked', 'proved'],
  ['WebKit under a policy, not reported', broken({ attempt: { state: 'threw', name: 'SecurityError', message: '' }, record: notKnown }), 'csp_blocked', 'likely'],
  ['https page, ws: to this machine', broken({ browser: { ...browser, protocol: 'https:' }, target: { ...target, ws: 'ws://localhost:8001/ws/chat/' }, attempt: { state: 'threw', name: 'SecurityError', message: '' }, record: notKnown }), 'csp_blocked', 'likely'],
  ['an exception that nobody knows', broken({ attempt: { state: 'threw', name: 'Error', message: '' }, record: notKnown }), 'bad_url', 'unknown'],
  ['the variant opens and does not work', broken({ record: upgradedRecord, variant: closedSocket(1006) }), 'cause_unknown', 'unknown'],
  ['idle cut', ladder('yes', 75), 'idle_cut', 'proved'],
  ['lifetime cut', ladder('no', 25), 'lifetime_cut', 'likely'],
  ['buffering', healthy({ long: { stream: { chunks: 5, spreadMs: 3, expectedMs: 800 } } }), 'proxy_buffering', 'proved'],
  ['resume', healthy({ long: { resume: { ok: 'no', detail: 'x' } } }), 'resume_broken', 'proved'],
  ['two of five', healthy({ long: { repeat: { tried: 5, failed: 2 } } }), 'intermittent', 'likely'],
  ['before: slow consumer', earlier(1006, record(stage('upgraded'), stage('closed', { closeBy: 'server', closeCode: 4008 }))), 'slow_consumer', 'proved'],
  ['before: too big', earlier(1009), 'message_too_big', 'likely'],
  ['before: cut', earlier(1006, record(stage('upgraded'), stage('closed', { closeBy: 'network' }))), 'connection_cut', 'proved'],
  ['before: heartbeat', earlier(1006, record(stage('upgraded'), stage('closed', { closeBy: 'timeout', closeCode: 4009 }))), 'heartbeat_missed', 'proved'],
]

test.each(cases)('%s', (_, evidence, code, confidence) => {
  const said = verdict(evidence, diagnose(evidence))
  expect([said.code, said.confidence]).toEqual([code, confidence])
})

describe('what must not be said', () => {
  test('CORS is never given as the reason why a WebSocket fails', () => {
    const e = broken({ ...unreachable, opaque: 'yes', image: 'yes' })
    const found = diagnose(e)
    expect(found.find((f) => f.severity === 'critical')?.code).not.toBe('cors_stripped')
    expect(found.find((f) => f.code === 'cors_stripped')?.title).toContain('does not touch the WebSocket')
  })

  test('a healthy connection gives nothing above info', () => {
    expect(diagnose(healthy()).filter((f) => f.severity !== 'info' && f.kind === 'connection')).toEqual([])
  })

  test('a 426 to a plain request is what a healthy server says', () => {
    expect(verdict(healthy(), diagnose(healthy())).code).toBe('healthy')
  })

  test('a failed lookup is not "none"', () => {
    for (const f of diagnose(broken({ record: notKnown }))) expect(f.evidence.join(' ')).not.toContain('none saw')
  })

  test('an earlier refusal does not outweigh that it works now', () => {
    expect(verdict(healthy(), diagnose(earlier(1006, refusedRecord(503, 'draining')))).code).toBe('healthy')
  })
})

test('every row has a case that it decides, or is a variant that another row of the code covers', () => {
  const decided = new Set(cases.flatMap(([, e]) => diagnose(e).map((f) => f.code)))
  const extra: Evidence[] = [
    closedAs(1011, 1006), healthy({ browser: { ...browser, websocket: 'wrapped', visible: false, secureContext: false, serviceWorker: true } }),
    healthy({ echo: { attempt: refusedSocket, samples: [], stallMs: 0, sizes: [], throughput: 0, record: none } }),
    healthy({ target: { ...target, origin: 'null' }, probe: { ...ourAnswer(200, {}), via: '1.1 box' } }),
  ]
  for (const e of extra) for (const f of diagnose(e)) decided.add(f.code)
  for (const row of [...causeRows, ...noteRows, ...earlierRows, ...postureRows]) expect(decided, row.when).toContain(row.code)
})
