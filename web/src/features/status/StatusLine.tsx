import { fetchStatus } from '../../shared/server'
import { texts } from '../../shared/texts'
import { Dot } from '../../shared/ui/Dot'
import { usePolled } from '../../shared/usePolled'
import styles from './StatusLine.module.css'

const every = 10_000 // milliseconds

/** The server's state in one line; leads to the page about it. */
export function StatusLine({ current }: { current: boolean }) {
  const { value } = usePolled(fetchStatus, every)
  const words = value === undefined ? texts.status.asking : value === null ? texts.status.none : texts.status.line(value.status, value.version)
  return (
    <a href="#/status" className={styles.line} aria-label={`${texts.status.title}: ${words}`} aria-current={current ? 'page' : undefined}>
      <Dot look={value ? (value.status === 'ok' ? 'good' : 'busy') : value === null ? 'bad' : 'busy'} />
      <span>{words}</span>
    </a>
  )
}
