import { useCallback, useEffect, useState } from 'react'

export interface Polled<T> {
  /** Undefined until the first answer; null if there is none. */
  value: T | null | undefined
}

const usualPatience = 5_000 // milliseconds

/**
 * Asks again and again while the page is visible, and at once when it becomes
 * visible. ask never rejects, and has to keep its identity.
 *
 * @param every milliseconds between two questions
 */
export function usePolled<T>(ask: (signal: AbortSignal) => Promise<T | null>, every: number): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ value: undefined })
  const take = useCallback((value: T | null) => { setPolled({ value }) }, [])
  useAnswers(ask, take, every, usualPatience)
  return polled
}

/**
 * Takes the answers of ask, as usePolled asks; none comes after the component is
 * gone. Both functions have to keep their identity; every and patience are
 * milliseconds.
 */
export function useAnswers<T>(ask: (signal: AbortSignal) => Promise<T>, take: (answer: T) => void, every: number, patience: number): void {
  useEffect(() => {
    const stop = new AbortController()
    let busy = false
    const run = async () => {
      if (busy || document.visibilityState === 'hidden') return
      busy = true
      const answer = await ask(AbortSignal.any([stop.signal, AbortSignal.timeout(patience)]))
      busy = false
      if (!stop.signal.aborted) take(answer)
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
  }, [ask, take, every, patience])
}

/** What a clock says, asked every so many milliseconds; read has to keep its identity. */
export function useNow(read: () => number, every: number): number {
  const [now, setNow] = useState(read)
  useEffect(() => {
    const tick = () => { setNow(read()) }
    tick()
    const timer = setInterval(tick, every)
    return () => { clearInterval(timer) }
  }, [read, every])
  return now
}
