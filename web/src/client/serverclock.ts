import type { Env } from './env'

const tolerated = 500 // milliseconds that an answer's way may take more or less

/** The server's clock, as far as its frames have told it. */
export class ServerClock {
  private readonly env: Pick<Env, 'now' | 'date'>
  /** Milliseconds by which it is ahead of Env.now; 0 until it is known. */
  offset = 0
  known = false

  constructor(env: Pick<Env, 'now' | 'date'>) {
    this.env = env
  }

  /**
   * Takes a time that the server said, RFC 3339, in answer to a question that was
   * roundTrip milliseconds under way. Returns whether the offset is another one
   * now: what lies within the way of an answer changes nothing.
   */
  tell(time: string, roundTrip: number): boolean {
    const said = Date.parse(time)
    if (Number.isNaN(said)) return false
    const offset = said + roundTrip / 2 - this.env.now()
    if (this.known && Math.abs(offset - this.offset) < tolerated) return false
    this.offset = offset
    this.known = true
    return true
  }

  /** Whole seconds by which it is ahead of the clock that the device shows. */
  deviceOffset(): number {
    return this.known ? Math.round((this.env.now() + this.offset - this.env.date()) / 1_000) : 0
  }
}
