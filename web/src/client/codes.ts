/** Why there is no connection. The words for people are the page's business. */
export type Why =
  | 'starting' | 'closed' | 'drain' | 'protocol' | 'unsupported' | 'cut' | 'encoding' | 'refused'
  | 'too_big' | 'server_error' | 'busy' | 'token_expired' | 'kicked' | 'slow' | 'silent' | 'flood'
  | 'unknown_code' | 'unreachable' | 'no_answer' | 'nonsense' | 'policy' | 'bad_address'
  | 'unconfirmed' | 'by_hand'

/** What a close code of the protocol means for the client. */
export interface CloseMeaning {
  reconnect: boolean
  /** Milliseconds to wait at least before the next attempt. */
  after: number
  why: Why
}

const again = (why: Why, after = 0): CloseMeaning => ({ reconnect: true, after, why })
const final = (why: Why): CloseMeaning => ({ reconnect: false, after: 0, why })

/**
 * The close codes of docs/protocol.md (events/testdata/close-codes.json says the
 * same), and 1005, which browsers make up.
 */
export const closeCodes: Readonly<Record<number, CloseMeaning>> = {
  1000: final('closed'),
  1001: again('drain'),
  1002: final('protocol'),
  1003: final('unsupported'),
  1005: again('cut'),
  1006: again('cut'),
  1007: final('encoding'),
  1008: final('refused'),
  1009: final('too_big'),
  1011: again('server_error', 1_000),
  1013: again('busy', 5_000),
  4001: again('token_expired', 1_000),
  4003: final('kicked'),
  4008: again('slow'),
  4009: again('silent'),
  4029: again('flood', 30_000),
}

/** Explains a close code; unknown ones are worth another try. */
export function closeMeaning(code: number): CloseMeaning {
  return closeCodes[code] ?? again('unknown_code', 1_000)
}

/**
 * Tells whether the server may accept the same frame later. Every other error
 * for a frame is definitive.
 */
export function isTemporary(errorCode: string): boolean {
  return temporary.has(errorCode)
}

const temporary = new Set([
  'storage_unavailable', 'rate_limited', 'overloaded', 'draining', 'not_joined', 'internal',
])
