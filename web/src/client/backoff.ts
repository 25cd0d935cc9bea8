/**
 * Full jitter: uniform between 0 and the exponentially growing, capped delay,
 * so that clients that lost the same server do not come back together. Marc
 * Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param attempt 0 for the first retry
 * @returns milliseconds
 */
export function fullJitter(attempt: number, random: () => number, base = 500, cap = 30_000): number {
  return Math.floor(random() * Math.min(cap, base * 2 ** Math.min(attempt, 30)))
}
