import { useEffect, useRef, useState } from 'react'
import { adminToken } from '../../shared/secrets'
import { ask, type Answer } from './query'
import { Result } from './Result'
import styles from './Sql.module.css'
import { examples, words } from './words'

/** Questions in SQL, for admins. */
export function SqlPage() {
  const token = adminToken()
  return token === null ? <p className="pad">{words.needsToken}</p> : <Console token={token} />
}

function Console({ token }: { token: string }) {
  const [sql, setSql] = useState(examples[0]?.sql ?? '')
  const [answer, setAnswer] = useState<Answer | null>(null)
  const [running, setRunning] = useState<AbortController | null>(null)
  const latest = useRef<AbortController | null>(null)
  useEffect(() => () => { latest.current?.abort() }, [])

  const run = () => {
    if (running !== null || sql.trim() === '') return
    const control = new AbortController()
    latest.current = control
    setRunning(control)
    void ask(sql, token, control.signal)
      .then(setAnswer, () => { setAnswer({ problem: words.stopped }) })
      .finally(() => { setRunning(null) })
  }
  return (
    <div className={styles.page}>
      <p className={styles.quiet}>{words.intro}</p>
      <textarea className={styles.editor} aria-label={words.label} rows={6} spellCheck={false} autoCapitalize="off" value={sql}
        onChange={(event) => { setSql(event.target.value) }}
        onKeyDown={(event) => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run() } }} />
      <div className={styles.bar}>
        {running === null
          ? <button type="button" className="main" disabled={sql.trim() === ''} onClick={run}>{words.run}</button>
          : <button type="button" onClick={() => { running.abort() }}>{words.stop}</button>}
        <select aria-label={words.examples} value="" onChange={(event) => { setSql(examples[Number(event.target.value)]?.sql ?? '') }}>
          <option value="" disabled>{words.choose}</option>
          {examples.map(({ title }, i) => <option key={title} value={i}>{title}</option>)}
        </select>
        <span className={styles.quiet} role="status">{running === null ? words.keys : words.running}</span>
      </div>
      {answer === null && <p className={styles.quiet}>{words.first}</p>}
      {answer !== null && ('problem' in answer
        ? <p role="alert" className={styles.problem}>{answer.problem}</p>
        : <Result table={answer.table} />)}
    </div>
  )
}
