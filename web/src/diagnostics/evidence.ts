/**
 * What was seen, without any judgement. Everything is three-valued: a thing that
 * could not be found out is "unknown" or "skipped", never "no".
 */
export type Tri = 'yes' | 'no' | 'unknown'

/** What is diagnosed. All addresses are absolute and checked, see target.ts. */
export interface Target {
  /** Address of the chat WebSocket without a query. */
  ws: string
  /** Address of the echo WebSocket without a query. */
  echo: string
  /** Base of the REST interface, with a slash at its end. */
  http: string
  /** The WebSocket address as http: or https:. */
  route: string
  /** Origin whose acceptance is asked for; the page's own by default. */
  origin: string
}

/** The page and its browser, as they say. */
export interface BrowserFacts {
  websocket: 'native' | 'wrapped' | 'missing'
  secureContext: boolean
  online: boolean
  visible: boolean
  /** location.origin; "null" for a page from a file. */
  origin: string
  protocol: string
  serviceWorker: boolean
  userAgent: string
  language: string
  connection: string
}

/** Phases of one request in milliseconds, where the browser tells them. */
export interface Phases {
  dns: number
  connect: number
  tls: number
  firstByte: number
  total: number
  /** A service worker answered or passed the request on. */
  worker: boolean
  protocol: string
}

/** What kind of answer came. */
export type AnswerKind = 'ours' | 'html' | 'redirect' | 'other'

export interface Answer {
  state: 'answered'
  status: number
  kind: AnswerKind
  /** Code of our problem document. */
  code?: string
  detail?: string
  /** Members "missing" and "wrong" of our 426. */
  missing?: string[]
  server: string
  via: string
  ms: number
  phases?: Phases
  /** The document, when it is ours; bounded. */
  body?: Readonly<Record<string, unknown>>
}

export interface Failure {
  state: 'failed'
  /** network: no more is told; timeout: nothing came in time; blocked: by the page's policy. */
  why: 'network' | 'timeout' | 'blocked'
  ms: number
}

/** Not asked, or cancelled. */
export interface Skipped {
  state: 'skipped'
  why: string
}

export type HttpProbe = Answer | Failure | Skipped

/** One WebSocket, from constructor to end. */
export interface SocketDone {
  state: 'done'
  trace: string
  opened: boolean
  /** Milliseconds from the constructor. */
  openMs?: number
  welcomeMs?: number
  pongMs?: number
  endMs: number
  /** Neither error nor close came in time; the page gave up. */
  timedOut: boolean
  /** The page closed it because all had been seen. */
  endedHere: boolean
  errorEvent: boolean
  closeCode?: number
  closeReason: string
  subprotocol: string
  extensions: string
  /** Codes of error frames and the reason of bye. */
  errors: string[]
  offered: boolean
  /** What became of a message as long as the contract allows; only after all else worked. */
  full?: { bytes: number; returned: Tri; closeCode?: number }
}

export interface SocketThrew {
  state: 'threw'
  name: string
  message: string
}

export type SocketAttempt = SocketDone | SocketThrew | Skipped

/** One stage of an attempt as the server recorded it. */
export interface ServerStage {
  stage: string
  outcome: string
  /** RFC 3339, the server's clock. */
  ts: string
  sinceAcceptMs: number
  status?: number
  errorType?: string
  errorDetail?: string
  closeCode?: number
  closeBy?: string
  closeReason?: string
}

/** none: every gateway was asked, answered, and knows nothing. */
export type ServerRecord =
  | { state: 'seen'; stages: ServerStage[]; complete: boolean; upgradeArrived: Tri; httpVersion: string; framesIn: Tri }
  | { state: 'none' }
  | { state: 'unknown'; why: string }

export interface DryRun {
  decision: 'accept' | 'refuse'
  status: number
  code: string
  rule: string
}

export interface Violation {
  blocked: string
  directive: string
  enforced: boolean
}

export interface SizeResult {
  bytes: number
  binary: boolean
  returned: Tri
}

export interface EchoFacts {
  attempt: SocketAttempt
  /** Round trips in milliseconds, the first dropped. */
  samples: number[]
  /** How late the page's own timers were meanwhile, at most, in milliseconds: a busy machine is no slow network. */
  stallMs: number
  sizes: SizeResult[]
  /** Bytes a second, one way, of a mebibyte there and back; 0 when not measured. */
  throughput: number
  record: ServerRecord
}

/** An earlier failure that the chat client noted. */
export interface Earlier {
  trace: string
  /** Milliseconds since 1970. */
  at: number
  opened: boolean
  closeCode: number
  /** Milliseconds from open to the end. */
  lastedMs: number
  record: ServerRecord
}

export interface LadderRung {
  idleS: number
  outcome: 'held' | 'cut' | 'void' | 'failed'
  /** Seconds until it was cut. */
  cutAfterS?: number
}

/** Results of the tests that have their own buttons; absent: not run. */
export interface LongTests {
  ladder?: { rungs: LadderRung[]; controlHeld: Tri; heartbeatS: number }
  stream?: { chunks: number; spreadMs: number; expectedMs: number }
  resume?: { ok: Tri; detail: string }
  repeat?: { tried: number; failed: number }
  /** A busy connection: how long it was to be kept, and how long it lived, in seconds. */
  lifetime?: { seconds: number; livedS: number; cut: boolean }
  sides?: { label: string; url: string; http: HttpProbe; attempt: SocketAttempt }[]
}

export interface Evidence {
  target: Target
  browser: BrowserFacts
  status: HttpProbe
  route: HttpProbe
  probe: HttpProbe
  /** The nonce sent to the probe came back. */
  nonce: Tri
  /** A request without CORS to the status address was answered. */
  opaque: Tri
  /** The same request got nothing at all in time. */
  opaqueTimedOut: boolean
  image: Tri
  /** The page's own policy forbade image or request. */
  violations: Violation[]
  dryRun: DryRun | 'unknown'
  attempt: SocketAttempt
  record: ServerRecord
  /** The same without subprotocols. */
  variant: SocketAttempt
  variantRecord: ServerRecord
  echo: EchoFacts | 'skipped'
  /** Server's clock minus ours in milliseconds, known to within half of the round trip. */
  clockOffsetMs?: number
  clockErrorMs?: number
  security: readonly PostureItem[] | 'unknown'
  /** When what was done, in milliseconds after the run began; the HTTP probes begin at 0. */
  clock?: { attemptAt: number; recordAt: number; recordMs: number }
  earlier: Earlier[]
  long: LongTests
}

/** One finding of /api/v1/diagnostics/security. */
export interface PostureItem {
  code: string
  severity: string
  title: string
  advice: string
}
