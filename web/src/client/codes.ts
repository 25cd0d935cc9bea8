/** What a close code of the protocol means for the client. */
export interface CloseMeaning {
  reconnect: boolean
  /** Milliseconds to wait at least before the next attempt. */
  after: number
  /** For people. */
  words: string
}

const again = (words: string, after = 0): CloseMeaning => ({ reconnect: true, after, words })
const final = (words: string): CloseMeaning => ({ reconnect: false, after: 0, words })

/** The close codes of docs/protocol.md, and 1005 and 1006, which browsers make up. */
export const closeCodes: Readonly<Record<number, CloseMeaning>> = {
  1000: again('the connection was closed'),
  1001: again('the server closed for an update'),
  1002: final('the server and this page do not understand each other'),
  1003: final('the server refused the kind of data'),
  1005: again('the connection was closed'),
  1006: again('the connection was cut'),
  1007: final('the server refused the encoding'),
  1008: final('the server refused this connection'),
  1009: final('a message was too big for the server'),
  1011: again('the server had an internal error', 1_000),
  1013: again('the server is busy', 5_000),
  4001: final('the sign-in has expired'),
  4003: final('you were removed by a moderator'),
  4008: again('this page read too slowly'),
  4009: again('the connection went silent'),
  4029: again('too many messages in a short time', 30_000),
}

/** Explains a close code; unknown ones are worth another try. */
export function closeMeaning(code: number): CloseMeaning {
  return closeCodes[code] ?? again(`the connection was closed (${String(code)})`, 1_000)
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
