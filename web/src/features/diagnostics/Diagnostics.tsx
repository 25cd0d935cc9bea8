import type { Client } from '../../client/client'
import { duration } from '../../shared/format'
import { fetchStatus } from '../../shared/server'
import { texts } from '../../shared/texts'
import { ConnectionLog } from '../../shared/ui/ConnectionLog'
import { usePolled } from '../../shared/usePolled'
import { useSnapshot } from '../../shared/useSnapshot'
import styles from './Diagnostics.module.css'

const every = 5_000 // milliseconds

/** What is known about the connection. Loaded when it is opened. */
export default function Diagnostics({ client }: { client: Client }) {
  const log = useSnapshot(client, (s) => s.log)
  const server = usePolled(fetchStatus, every).value
  const t = texts.status
  return (
    <div className={styles.page}>
      <h3>{t.title}</h3>
      <p>{server ? `${t.line(server.status, server.version)} · ${t.uptime} ${duration(server.uptime)}` : server === null ? `${t.none}. ${t.noneHint}` : t.asking}</p>
      <h3>{texts.connection.log}</h3>
      <ConnectionLog log={log} />
    </div>
  )
}
