/** Milliseconds unless said otherwise. */
export const limits = {
  http: 4_000,
  socket: 5_000,
  record: 3_000, // until the server's record of an attempt must be complete
  recordFast: 1_200, // the same when the page saw all of it itself
  echo: 3_000, // round trips
  sizes: 2_500,
  throughput: 2_500,
  samples: 20,
  bodyBytes: 64 * 1024,
  textLength: 300, // of any outside text that is kept
} as const

/** Outside text, cut and without control and direction characters. */
export function clean(value: unknown, length: number = limits.textLength): string {
  if (typeof value !== 'string') return ''
  return Array.from(value.slice(0, length * 2), (c) => /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u.test(c) ? '\uFFFD' : c).slice(0, length).join('')
}

/** A signal that also ends after some time; done() frees it. */
export function within(env: { setTimeout(run: () => void, ms: number): number; clearTimeout(t: number): void }, ms: number, signal: AbortSignal): { signal: AbortSignal; late: () => boolean; done: () => void } {
  const own = new AbortController()
  let late = false
  const timer = env.setTimeout(() => {
    late = true
    own.abort()
  }, ms)
  const stop = () => { own.abort() }
  if (signal.aborted) own.abort()
  else signal.addEventListener('abort', stop, { once: true })
  return {
    signal: own.signal,
    late: () => late,
    done: () => {
      env.clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    },
  }
}
