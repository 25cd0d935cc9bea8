import { useSyncExternalStore } from 'react'
import { texts } from '../shared/texts'
import styles from './ReportQuestion.module.css'
import type { ReportSender } from './reports'

/** Asks once whether reports of failed connections may be sent. */
export function ReportQuestion({ reports }: { reports: ReportSender }) {
  const count = useSyncExternalStore(reports.subscribe, reports.question)
  if (count === 0) return null
  return (
    <div className={styles.bar} role="group" aria-label={texts.reports.title}>
      <p role="status">{texts.reports.question(count)}</p>
      <span>
        <button type="button" className="main" onClick={() => { reports.decide(true) }}>{texts.reports.yes}</button>
        <button type="button" onClick={() => { reports.decide(false) }}>{texts.reports.no}</button>
      </span>
    </div>
  )
}
