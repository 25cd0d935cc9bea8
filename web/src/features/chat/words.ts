import type { ConnectionState } from '../../client/connection'

/** The longest message, in code points; protocol.md. */
export const textLimit = 4_000

/** The connection, in words; now is in milliseconds since 1970. */
export function connectionWords(state: ConnectionState, now: number): string {
  switch (state.name) {
    case 'online':
      return 'Connected'
    case 'connecting':
      return 'Connecting…'
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((state.until - now) / 1000))
      return `Reconnecting in ${String(seconds)} s: ${state.why}`
    }
    case 'stopped':
      return `Not connected: ${state.why}`
  }
}

/** The local time of an event; empty for a time that cannot be read. */
export function clock(ts: string): string {
  const date = new Date(ts)
  return Number.isNaN(date.getTime()) ? '' : date.toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' })
}

/** Why a text cannot be sent; empty if it can. */
export function textProblem(text: string): string {
  const length = Array.from(text).length
  return length > textLimit ? `${String(length - textLimit)} characters too long` : ''
}
