import type { Answer, BrowserFacts, Evidence, ServerRecord, ServerStage, SocketDone, Target } from './evidence'

/** Evidence for tests: a healthy run, to be changed. */

export const target: Target = {
  ws: 'ws://chat.test:8001/ws/chat/', echo: 'ws://chat.test:8001/ws/echo/', http: 'http://chat.test:8000/',
  route: 'http://chat.test:8001/ws/chat/', origin: 'http://chat.test:8000',
}

export const browser: BrowserFacts = {
  websocket: 'native', secureContext: true, online: true, visible: true, origin: 'http://chat.test:8000', protocol: 'http:',
  serviceWorker: false, userAgent: 'test', language: 'en', connection: '4g',
}

export function ourAnswer(status: number, body: Record<string, unknown>): Answer {
  const a: Answer = { state: 'answered', status, kind: 'ours', server: '', via: '', ms: 3, body }
  if (typeof body.code === 'string') a.code = body.code
  return a
}

export function foreignAnswer(status: number, kind: Answer['kind'] = 'html'): Answer {
  return { state: 'answered', status, kind, server: 'nginx', via: '', ms: 3 }
}

export const netFail = { state: 'failed', why: 'network', ms: 2 } as const
export const timeFail = { state: 'failed', why: 'timeout', ms: 4_000 } as const

export function socket(change: Partial<SocketDone> = {}): SocketDone {
  return {
    state: 'done', trace: 'trace-of-the-attempt', opened: true, openMs: 8, welcomeMs: 9, pongMs: 10, endMs: 10, timedOut: false,
    endedHere: true, errorEvent: false, closeReason: '', subprotocol: 'partyline.v1', extensions: '', errors: [], offered: true, ...change,
  }
}

const { openMs: _o, welcomeMs: _w, pongMs: _p, ...unopened } = socket()
/** Failed at once, as browsers tell it. */
export const refusedSocket: SocketDone = { ...unopened, opened: false, endedHere: false, errorEvent: true, closeCode: 1006, endMs: 12, subprotocol: '' }
/** Neither opened nor failed. */
export const hungSocket: SocketDone = { ...unopened, opened: false, endedHere: false, timedOut: true, endMs: 5_000, subprotocol: '' }
/** Opened and ended with a code. */
export const closedSocket = (closeCode: number): SocketDone => {
  const { welcomeMs: _, pongMs: __, ...rest } = socket({ endedHere: false, closeCode, endMs: 14 })
  return rest
}

export function stage(name: string, change: Partial<ServerStage> = {}): ServerStage {
  return { stage: name, outcome: 'ok', ts: '2026-01-01T00:00:00.000000Z', sinceAcceptMs: 1, ...change }
}

export function record(...stages: ServerStage[]): ServerRecord {
  return { state: 'seen', stages: [stage('accept'), ...stages], complete: true, upgradeArrived: 'yes', httpVersion: '1.1', framesIn: 'unknown' }
}

export const refusedRecord = (status: number, errorType: string, errorDetail = ''): ServerRecord =>
  record(stage('request'), stage('origin', { outcome: 'refused', status, errorType, errorDetail }), stage('closed', { closeBy: 'server' }))

export const none: ServerRecord = { state: 'none' }
export const notKnown: ServerRecord = { state: 'unknown', why: 'the lookup failed' }
export const upgradedRecord = record(stage('request'), stage('origin'), stage('upgraded'))

/** Everything works. */
export function healthy(change: Partial<Evidence> = {}): Evidence {
  return {
    target, browser: { ...browser }, nonce: 'yes', opaque: 'yes', opaqueTimedOut: false, image: 'yes', violations: [],
    status: ourAnswer(200, { status: 'ok', websocket: { draining: false }, storage: { nats: 'connected' }, analytics: { mode: 'off', ok: false }, time: '2026-01-01T00:00:00Z' }),
    route: ourAnswer(426, { status: 426, code: 'upgrade_required' }), probe: ourAnswer(200, { nonce: 'x' }),
    dryRun: { decision: 'accept', status: 101, code: '', rule: 'same_host' },
    attempt: socket(), record: upgradedRecord, variant: { state: 'skipped', why: 'not needed' }, variantRecord: notKnown,
    echo: { attempt: socket(), samples: [1, 1.2, 1.1], stallMs: 1, sizes: [{ bytes: 125, binary: false, returned: 'yes' }, { bytes: 65_536, binary: false, returned: 'yes' }], throughput: 9e6, record: notKnown },
    clockOffsetMs: 4, clockErrorMs: 2, security: [], earlier: [], long: {}, ...change,
  }
}

/** The attempt did not open, and HTTP is fine. */
export function broken(change: Partial<Evidence> = {}): Evidence {
  return healthy({ attempt: refusedSocket, variant: refusedSocket, record: none, variantRecord: none, echo: 'skipped', ...change })
}
