import type { DiagEnv } from '../env'

const beat = 20 // milliseconds

/** Lateness of timers, in milliseconds, from which on a machine is too busy to say that something was lost. */
export const busyMs = 100

/** A timer that runs while something is measured, and how late it was. */
export class Pulse {
  private readonly env: DiagEnv
  private timer = 0
  private due = 0
  private worst = 0

  constructor(env: DiagEnv) {
    this.env = env
    this.next()
  }

  /** The greatest lateness so far, of a beat that is due now too. */
  lateness(): number {
    return Math.max(this.worst, this.env.now() - this.due, 0)
  }

  stop(): void {
    this.env.clearTimeout(this.timer)
  }

  private next(): void {
    this.due = this.env.now() + beat
    this.timer = this.env.setTimeout(() => {
      this.worst = this.lateness()
      this.next()
    }, beat)
  }
}
