import { texts } from '../../shared/texts'
import styles from './Settings.module.css'

/** The keyboard shortcuts. */
export function Keys() {
  return (
    <dl className={styles.keys}>
      {texts.keys.list.map(([keys, words]) => (
        <div key={keys}><dt><kbd>{keys}</kbd></dt><dd>{words}</dd></div>
      ))}
    </dl>
  )
}
