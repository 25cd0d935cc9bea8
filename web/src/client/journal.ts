import type { Why } from './codes'
import type { ConnectionState } from './connection'
import type { Env } from './env'
import { ServerClock } from './serverclock'

/** One step in the life of the connection. */
export interface StateChange {
  /** By Env.now. */
  at: number
  /** Milliseconds since 1970 by the server's clock, once it is known. */
  time: number
  state: ConnectionState
  /** The trace under which the server recorded the attempt; empty when it began. */
  trace: string
}

const most = 10

/** Remembers the last state changes, and why there is no connection. */
export class Journal {
  readonly clock: ServerClock
  log: readonly StateChange[] = []
  why: Why | null = null
  private readonly env: Pick<Env, 'now' | 'date'>

  constructor(env: Pick<Env, 'now' | 'date'>) {
    this.env = env
    this.clock = new ServerClock(env)
  }

  note(state: ConnectionState, trace: string): void {
    if (state.name === 'online') this.why = null
    else if ('why' in state) this.why = state.why ?? null
    const at = this.env.now()
    this.log = [...this.log, { at, time: at + this.clock.offset, state, trace: state.name === 'connecting' ? '' : trace }].slice(-most)
  }

  /** See ServerClock.tell. The first time, what was noted by the device's clock is set right. */
  told(time: string, roundTrip: number): void {
    const first = !this.clock.known
    if (!this.clock.tell(time, roundTrip) || !first) return
    this.log = this.log.map((change) => ({ ...change, time: change.time + this.clock.offset }))
  }
}
