import { useEffect, useState } from 'react'
import type { Attempt } from '../../shared/statistics'
import { micros } from '../../shared/units'
import styles from './Attempts.module.css'
import { fetchStages, type Stage } from './stages'
import { words as w } from './words'

/** The stages of an attempt on a line, and what else is known of it. */
export function Timeline({ attempt, token }: { attempt: Attempt; token: string }) {
  const [stages, setStages] = useState<Stage[] | string | null>(null)
  const { conn, last_stage: last, closed } = attempt
  useEffect(() => {
    const stop = new AbortController()
    void fetchStages(conn, token, stop.signal).then((found) => { if (!stop.signal.aborted) setStages(found) })
    return () => { stop.abort() }
  }, [conn, token, last, closed]) // a row that went on has more stages
  if (stages === null) return <p role="status">{w.asking}</p>
  const known = typeof stages !== 'string' && stages.length > 0
  return <>
    {!known && <p className={styles.quiet}>{w.noStages(typeof stages === 'string' ? stages : w.notYet)}</p>}
    <Line stages={known ? stages : coarse(attempt)} />
    <Facts attempt={attempt} />
  </>
}

// The age may be hours where the handshake took a millisecond.
const place = (us: number, all: number) => (all <= 0 ? 0 : (Math.log1p(us) / Math.log1p(all)) * 100)

function Line({ stages }: { stages: Stage[] }) {
  const all = Math.max(...stages.map(({ since }) => since))
  return (
    <ol className={styles.line}>
      {stages.map(({ stage, outcome, since, took, error, detail, closeCode }, i) => (
        <li key={i} data-outcome={outcome}>
          <span className={styles.name}>{stage}</span>
          <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect x="0" y="4" width="100" height="2" /><rect className={styles.mark} x={Math.min(98.5, place(since, all))} y="0" width="1.5" height="10" /></svg>
          <span className={styles.when}>{micros(since)}</span>
          <span className={styles.what}>{[outcome, took > 0 ? `took ${micros(took)}` : '', error, detail, closeCode > 0 ? `code ${String(closeCode)}` : ''].filter((text) => text !== '').join(' · ')}</span>
        </li>
      ))}
    </ol>
  )
}

/** The stages that the row itself knows. */
function coarse(a: Attempt): Stage[] {
  const row = (stage: string, since: number, more: Partial<Stage> = {}): Stage => ({ stage, outcome: 'ok', since, took: 0, error: '', detail: '', closeCode: 0, ...more })
  const list = [row('accept', 0)]
  if (a.upgraded_us !== undefined) list.push(row('upgraded', a.upgraded_us))
  if (a.joined_us !== undefined) list.push(row('joined', a.joined_us))
  if (a.failed_stage !== undefined) list.push(row(a.failed_stage, 0, { outcome: a.outcome, error: a.error_type ?? '', detail: a.error_detail ?? '' }))
  if (a.closed !== undefined) list.push(row('closed', (a.upgraded_us ?? 0) + (a.age_us ?? 0), { closeCode: a.close_code ?? 0 }))
  return list
}

function Facts({ attempt: a }: { attempt: Attempt }) {
  const f = w.facts
  const facts: [string, string | undefined][] = [
    [f.trace, a.trace], [f.gateway, a.gateway], [f.path, a.path], [f.origin, a.origin], [f.browser, [a.ua_name, a.os].filter(Boolean).join(', ')], [f.family, a.family], [f.tls, a.tls_version],
    [f.http, a.http_version], [f.proxied, a.proxied ? w.yes : ''], [f.rtt, a.rtt_min_us === undefined ? '' : micros(a.rtt_min_us)], [f.reason, a.close_reason],
  ]
  return <dl className={styles.facts}>{facts.flatMap(([name, value]) => (value ? [<div key={name}><dt>{name}</dt><dd>{value}</dd></div>] : []))}</dl>
}
