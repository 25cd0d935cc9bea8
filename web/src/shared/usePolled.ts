import { useEffect, useState } from 'react'

export interface Polled<T> {
  /** Undefined until the first answer; null if there is none. */
  value: T | null | undefined
  /** When it came, in milliseconds since 1970. */
  at: number
}

const patience = 5_000 // milliseconds

/**
 * Asks again and again while the page is visible, and at once when it becomes
 * visible. ask never rejects, and has to keep its identity.
 *
 * @param every milliseconds between two questions
 */
export function usePolled<T>(ask: (signal: AbortSignal) => Promise<T | null>, every: number): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ value: undefined, at: 0 })
  useEffect(() => {
    const stop = new AbortController()
    let busy = false
    const run = async () => {
      if (busy || document.visibilityState === 'hidden') return
      busy = true
      const value = await ask(AbortSignal.any([stop.signal, AbortSignal.timeout(patience)]))
      busy = false
      if (!stop.signal.aborted) setPolled({ value, at: Date.now() })
    }
    const asked = () => { void run() }
    asked()
    const timer = setInterval(asked, every)
    document.addEventListener('visibilitychange', asked)
    return () => {
      stop.abort()
      clearInterval(timer)
      document.removeEventListener('visibilitychange', asked)
    }
  }, [ask, every])
  return polled
}

/** Milliseconds since 1970, renewed every so often while it matters. */
export function useNow(every: number, ticking = true): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (!ticking) return
    const tick = () => { setNow(Date.now()) }
    tick()
    const timer = setInterval(tick, every)
    return () => { clearInterval(timer) }
  }, [every, ticking])
  return now
}
