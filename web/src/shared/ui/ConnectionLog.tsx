import type { StateChange } from '../../client/journal'
import { lookOf, stateWords } from '../connectionWords'
import { clockSeconds } from '../format'
import { texts } from '../texts'
import styles from './ConnectionLog.module.css'
import { Dot } from './Dot'

/** The last state changes of the connection, the latest first. */
export function ConnectionLog({ log }: { log: readonly StateChange[] }) {
  if (log.length === 0) return <p className={styles.none}>{texts.history.none}</p>
  return (
    <ol className={styles.log} aria-label={texts.history.title}>
      {log.toReversed().map((change, i) => (
        <li key={`${String(change.at)} ${String(log.length - i)}`}>
          <time dateTime={new Date(change.time).toISOString()}>{clockSeconds(change.time)}</time>
          <Dot look={lookOf(change.state)} />
          <span>{stateWords(change.state)}</span>
        </li>
      ))}
    </ol>
  )
}
