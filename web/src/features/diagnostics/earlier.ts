import type { StateChange } from '../../client/journal'
import type { Why } from '../../client/codes'
import type { RunOptions } from '../../diagnostics/run'
import type { OwnAttempt } from '../../diagnostics/view/statistics'

/** The failures that the client noted, newest first, for the server's records of them. */
export function earlierOf(log: readonly StateChange[]): RunOptions['earlier'] {
  return log.flatMap((entry, i) => {
    if (entry.state.name !== 'waiting' || entry.trace === '') return []
    const online = log.slice(0, i).findLast((other) => other.trace === entry.trace && other.state.name === 'online')
    // The client keeps no close code: what the server recorded decides.
    return [{ trace: entry.trace, at: entry.at, opened: online !== undefined, closeCode: 1006, lastedMs: online ? entry.at - online.at : 0 }]
  }).reverse()
}

/** The attempts that the client noted, newest first. */
export function ownAttempts(log: readonly StateChange[], words: (why: Why) => string): OwnAttempt[] {
  return log.filter((entry) => entry.trace !== '' && (entry.state.name === 'online' || entry.state.name === 'waiting')).map((entry) => ({
    trace: entry.trace, at: entry.time, failed: entry.state.name === 'waiting',
    words: entry.state.name === 'waiting' ? words(entry.state.why) : 'connected',
  })).reverse()
}
