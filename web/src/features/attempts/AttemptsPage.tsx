import { Fragment, useState } from 'react'
import { adminToken } from '../../shared/secrets'
import { clockSeconds, fullTime } from '../../shared/format'
import { useHashQuery } from '../../shared/hashQuery'
import { useAsked, type Attempt, type Summary } from '../../shared/statistics'
import { Filter, ranges } from '../../shared/ui/Filters'
import { micros } from '../../shared/units'
import styles from './Attempts.module.css'
import { Timeline } from './Timeline'
import { outcomes, stages, words as w } from './words'

const every = 3_000 // milliseconds
const limit = 200

/** The latest attempts to connect, for admins. */
export function AttemptsPage() {
  const token = adminToken()
  return token === null ? <p className="pad">{w.needsToken}</p> : <Attempts token={token} />
}

const choices = (names: readonly string[]) => names.map((name) => ({ value: name, label: name.slice(0, 60) }))
const namesOf = (groups: { name: string }[] | null | undefined) => choices((groups ?? []).map(({ name }) => name).filter((name) => name !== ''))

function Attempts({ token }: { token: string }) {
  const query = useHashQuery()
  const get = (name: string) => query.get(name) ?? ''
  const since = query.get('since') ?? '24h'
  const asked = new URLSearchParams({ since, limit: String(limit) })
  for (const name of ['outcome', 'stage', 'path', 'gateway']) if (get(name) !== '') asked.set(name, get(name))
  const { data, problem, at } = useAsked<{ attempts: Attempt[]; statistics: Summary }>(`/chat/diagnostics/?${asked.toString()}`, every)
  return (
    <div className={styles.page}>
      <p className={styles.quiet}>{w.intro}</p>
      <div className={styles.bar}>
        <Filter name="since" label={w.range} value={since} choices={ranges} />
        <Filter name="outcome" label={w.outcome} value={get('outcome')} choices={choices(outcomes)} all={w.allOutcomes} />
        <Filter name="stage" label={w.stage} value={get('stage')} choices={choices(stages)} all={w.allStages} />
        <Filter name="path" label={w.path} value={get('path')} choices={namesOf(data?.statistics.paths)} all={w.allPaths} />
        <Filter name="gateway" label={w.gateway} value={get('gateway')} choices={namesOf(data?.statistics.gateways)} all={w.allGateways} />
      </div>
      {data === null && problem === null && <p role="status">{w.loading}</p>}
      {data === null && problem !== null && <p role="alert" className={styles.problem}>{problem.kind === 'failed' ? w.failed(problem.detail) : w[problem.kind]} <a href="#/status">{w.status}</a></p>}
      {data !== null && <p className={styles.quiet}>{w.rows(data.attempts.length, limit)}, {problem ? w.stale(problem.detail, clockSeconds(at)) : w.fresh(clockSeconds(at))}</p>}
      {data !== null && (data.attempts.length === 0 ? <p><strong>{w.empty}</strong> {w.will}</p> : <Rows attempts={data.attempts} token={token} />)}
    </div>
  )
}

function Rows({ attempts, token }: { attempts: Attempt[]; token: string }) {
  const [open, setOpen] = useState<string | null>(null)
  return (
    <div className={styles.scroll} tabIndex={0} role="region" aria-label={w.table}>
      <table className={styles.table}>
        <thead><tr>{[w.started, w.outcome, w.stage, w.reason, w.path, w.close, w.age, w.client].map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
        <tbody>{attempts.map((a) => (
          <Fragment key={a.conn}>
            <tr data-outcome={a.outcome}>
              <td><button type="button" className="link" aria-expanded={open === a.conn} title={fullTime(a.started)} onClick={() => { setOpen(open === a.conn ? null : a.conn) }}>{clockSeconds(a.started)}</button></td>
              <td className={styles.outcome}>{a.outcome}</td>
              <td>{a.last_stage}</td>
              <td>{[a.error_type, a.status !== undefined && a.status >= 400 ? String(a.status) : ''].filter(Boolean).join(' · ') || w.none}</td>
              <td>{a.path || w.none}</td>
              <td>{a.close_code === undefined ? w.none : `${String(a.close_code)}${a.close_initiator ? ` by ${a.close_initiator}` : ''}`}</td>
              <td>{a.age_us !== undefined ? micros(a.age_us) : a.upgraded_us !== undefined && a.closed === undefined ? w.open : w.none}</td>
              <td>{[a.client_ip, a.ua_name].filter(Boolean).join(', ') || w.none}</td>
            </tr>
            {open === a.conn && <tr><td colSpan={8} className={styles.more}><section aria-label={w.details(clockSeconds(a.started))}><Timeline attempt={a} token={token} /></section></td></tr>}
          </Fragment>
        ))}</tbody>
      </table>
    </div>
  )
}
