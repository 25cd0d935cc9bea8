import { useEffect } from 'react'
import type { Client } from '../../client/client'
import { lookOf, pillWords } from '../../shared/connectionWords'
import { texts } from '../../shared/texts'
import { ConnectionLog } from '../../shared/ui/ConnectionLog'
import { Dot } from '../../shared/ui/Dot'
import { Popover } from '../../shared/ui/Popover'
import { useSnapshot } from '../../shared/useSnapshot'
import styles from './Pill.module.css'

const every = 15_000 // milliseconds between two measurements, while visible

/** The state of the connection; opens its last changes. */
export function Pill({ client }: { client: Client }) {
  const state = useSnapshot(client, (s) => s.connection)
  const roundTrip = useSnapshot(client, (s) => s.roundTrip)
  const log = useSnapshot(client, (s) => s.log)
  const server = useSnapshot(client, (s) => s.server)
  useEffect(() => {
    const timer = setInterval(() => { if (document.visibilityState === 'visible') client.probe() }, every)
    return () => { clearInterval(timer) }
  }, [client])
  const words = pillWords(state, roundTrip)
  return (
    <>
      <Popover label={texts.connection.log} className={`quiet ${styles.pill ?? ''}`} face={<><Dot look={lookOf(state)} /><span>{words}</span></>}>
        {() => (
          <div className={styles.panel}>
            <h2>{texts.connection.log}</h2>
            <ConnectionLog log={log} />
            {server && <p>{texts.connection.server(server.version, server.gateway)}</p>}
          </div>
        )}
      </Popover>
      <span className="unseen" role="status" aria-label={texts.connection.label} data-state={state.name}>{pillWords(state, null)}</span>
    </>
  )
}
