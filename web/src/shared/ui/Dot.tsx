import type { Look } from '../connectionWords'
import styles from './Dot.module.css'

/** A state as a shape: a disc is good, a ring is under way, a bar is bad. */
export function Dot({ look }: { look: Look }) {
  return <span className={styles.dot} data-look={look} aria-hidden="true" />
}
