import type { Why } from './codes'
import type { ConnectionState } from './connection'

/** One step in the life of the connection. */
export interface StateChange {
  /** Milliseconds since 1970. */
  at: number
  state: ConnectionState
  /** The trace under which the server recorded the attempt; empty when it began. */
  trace: string
}

const most = 10

/** Remembers the last state changes, and why there is no connection. */
export class Journal {
  log: readonly StateChange[] = []
  why: Why | null = null

  note(at: number, state: ConnectionState, trace: string): void {
    if (state.name === 'online') this.why = null
    else if ('why' in state) this.why = state.why ?? null
    this.log = [...this.log, { at, state, trace: state.name === 'connecting' ? '' : trace }].slice(-most)
  }
}
