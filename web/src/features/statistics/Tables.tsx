import type { Group, Summary } from '../../shared/statistics'
import { micros, percent, whole } from '../../shared/units'
import styles from './Statistics.module.css'
import { words as w } from './words'

/** A table of text; the first column names the row. */
export function Table({ title, head, rows, none = w.none }: { title: string; head: string[]; rows: string[][]; none?: string }) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {rows.length === 0 ? <p className={styles.quiet}>{none}</p> : (
        <div className={styles.scroll} tabIndex={0} role="region" aria-label={`${title}, table`}>
          <table className={styles.table}>
            <thead><tr>{head.map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
            <tbody>{rows.map((row, i) => <tr key={i}>{row.map((text, j) => <td key={j}>{text}</td>)}</tr>)}</tbody>
          </table>
        </div>
      )}
    </section>
  )
}

/** How far attempts come, with a bar for each stage. */
export function Funnel({ stages }: { stages: NonNullable<Summary['stages']> }) {
  return (
    <section aria-label={w.funnel}>
      <h2>{w.funnel}</h2>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={`${w.funnel}, table`}>
        <table className={styles.table}>
          <thead><tr><th scope="col">{w.stage}</th><th scope="col" className={styles.bars}>{w.share}</th><th scope="col">{w.passed}</th><th scope="col">%</th><th scope="col">{w.ended}</th></tr></thead>
          <tbody>{stages.map(({ stage, share, passed, ended_here: ended }) => (
            <tr key={stage}>
              <td>{stage}</td>
              <td className={styles.bars}><svg className={styles.track} viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width={Math.min(100, share * 100)} height="1" /></svg></td>
              <td>{whole(passed)}</td><td>{percent(share)}</td><td>{ended === 0 ? '–' : whole(ended)}</td>
            </tr>
          ))}</tbody>
        </table>
      </div>
    </section>
  )
}

export function Tables({ summary: s }: { summary: Summary }) {
  return (
    <div className={styles.two}>
      <Table title={w.durations} head={[w.kind, w.n, w.median, w.p90, w.p95, w.p99, w.max]}
        rows={(s.durations ?? []).map((d) => [w.kinds[d.kind] ?? d.kind, whole(d.n), ...[d.p50_us, d.p90_us, d.p95_us, d.p99_us, d.max_us].map(micros)])} />
      <Table title={w.errors} head={[w.error, w.stage, w.httpStatus, w.count, w.share]} none={w.noErrors}
        rows={(s.errors ?? []).slice(0, 20).map((e) => [e.error === '' ? e.outcome : e.error, e.stage, e.status === 0 ? '–' : String(e.status), whole(e.failures), percent(e.share)])} />
      <Table title={w.closeCodes} head={[w.code, w.by, w.error, w.count, w.share]} none={w.noCloses}
        rows={(s.close_codes ?? []).slice(0, 20).map((c) => [c.close_code === 0 ? w.none : String(c.close_code), c.close_initiator || '–', c.error_type || '–', whole(c.closes), percent(c.share)])} />
      <Groups title={w.paths} name={w.path} groups={s.paths ?? []} />
      <Groups title={w.gateways} name={w.gateway} groups={s.gateways ?? []} />
    </div>
  )
}

function Groups({ title, name, groups }: { title: string; name: string; groups: Group[] }) {
  return (
    <Table title={title} head={[name, w.attempts, w.rate, w.closes, w.abnormal, w.mean]}
      rows={groups.slice(0, 50).map((g) => [g.name || w.none, whole(g.attempts), percent(g.success_rate), whole(g.closes), whole(g.abnormal_closes), g.handshake_avg_us > 0 ? micros(g.handshake_avg_us) : '–'])} />
  )
}
