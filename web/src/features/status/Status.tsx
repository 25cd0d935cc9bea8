import { useEffect, useState } from 'react'
import styles from './Status.module.css'
import { fetchStatus, type ServerStatus } from './status'

const every = 10_000 // milliseconds
const patience = 5_000

/** What /chat/status/ says, asked again and again. */
export function Status() {
  const status = useServerStatus()
  return (
    <footer className={styles.status} role="status" aria-label="Server status">
      {status === undefined && 'Server: asking…'}
      {status === null && 'Server: no answer'}
      {status && `Server: ${status.status}, version ${status.version}, up ${String(status.uptime)} s`}
    </footer>
  )
}

function useServerStatus(): ServerStatus | null | undefined {
  const [status, setStatus] = useState<ServerStatus | null>()
  useEffect(() => {
    const stop = new AbortController()
    const ask = async () => {
      const answer = await fetchStatus(AbortSignal.any([stop.signal, AbortSignal.timeout(patience)]))
      if (!stop.signal.aborted) setStatus(answer)
    }
    void ask()
    const timer = setInterval(() => { void ask() }, every)
    return () => {
      stop.abort()
      clearInterval(timer)
    }
  }, [])
  return status
}
