import { useMemo } from 'react'
import { clockSeconds, duration } from '../../shared/format'
import { useHashQuery } from '../../shared/hashQuery'
import { useAsked, type Problem, type Series, type Summary } from '../../shared/statistics'
import { Filter, ranges } from '../../shared/ui/Filters'
import { percent, whole } from '../../shared/units'
import { Plot } from './Plot'
import { columnsOf } from './series'
import styles from './Statistics.module.css'
import { Survival } from './Survival'
import { Funnel, Tables } from './Tables'
import { words as w } from './words'

const every = 5_000 // milliseconds

/** How connections fare. */
export function StatisticsPage() {
  const query = useHashQuery()
  const [since, path, gateway] = [query.get('since') ?? '24h', query.get('path') ?? '', query.get('gateway') ?? '']
  const asked = new URLSearchParams({ since, ...(path && { path }), ...(gateway && { gateway }) }).toString()
  const summary = useAsked<Summary>(`/api/v1/analytics/summary?${asked}`, every)
  const series = useAsked<Series>(`/api/v1/analytics/series?${asked}`, every)
  const names = (groups: { name: string }[] | null | undefined) => (groups ?? []).filter(({ name }) => name !== '').map(({ name }) => ({ value: name, label: name.slice(0, 60) }))
  const { data, problem, at } = summary
  return (
    <div className={styles.page}>
      <p className={styles.quiet}>{w.intro}</p>
      <div className={styles.bar}>
        <Filter name="since" label={w.range} value={since} choices={ranges} />
        <Filter name="path" label={w.path} value={path} choices={names(data?.paths)} all={w.allPaths} />
        <Filter name="gateway" label={w.gateway} value={gateway} choices={names(data?.gateways)} all={w.allGateways} />
        <span role="status" className={styles.quiet}>{data ? (problem ? w.stale(problem.detail, clockSeconds(at)) : w.fresh(clockSeconds(at))) : problem ? '' : w.loading}</span>
      </div>
      {data === null && problem !== null && <Trouble problem={problem} />}
      {data?.total === 0 && data.closes === 0 && <Teach line={w.empty} />}
      {data !== null && data.total + data.closes > 0 && <Numbers summary={data} series={series.data} />}
    </div>
  )
}

function Trouble({ problem }: { problem: Problem }) {
  const [line, hint] = { off: [w.off, w.offHint], soon: [w.soon, w.soonHint], failed: [w.failed, problem.detail] }[problem.kind] as [string, string]
  return <>
    <p role="alert" className={styles.problem}>{line} {hint} <a href="#/status">{w.status}</a></p>
    {problem.kind === 'soon' && <Teach />}
  </>
}

function Teach({ line }: { line?: string }) {
  return (
    <section className={styles.teach}>
      {line !== undefined && <p><strong>{line}</strong></p>}
      <p>{w.will}</p>
      <ul>{w.appears.map((text) => <li key={text}>{text}</li>)}</ul>
    </section>
  )
}

function Numbers({ summary: s, series }: { summary: Summary; series: Series | null }) {
  const totals: [string, string][] = [
    [w.attempts, whole(s.total)], [w.rate, percent(s.success_rate)], [w.refused, whole(s.refused)], [w.failedCount, whole(s.errored)], [w.abandoned, whole(s.abandoned)],
    [w.open, whole(s.pending)], [w.joined, whole(s.joined)], [w.closes, whole(s.closes)], [w.abnormal, whole(s.abnormal_closes)],
  ]
  if (s.never_arrived > 0) totals.push([w.never, whole(s.never_arrived)])
  return <>
    {s.rows_dropped > 0 && <p className={styles.problem}>{w.dropped(whole(s.rows_dropped))}</p>}
    <dl className={styles.totals} aria-label={w.totals}>{totals.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
    {series && <Plots series={series} />}
    <Funnel stages={s.stages ?? []} />
    <Tables summary={s} />
    <Survival survival={s.survival ?? []} />
  </>
}

function Plots({ series }: { series: Series }) {
  const c = useMemo(() => columnsOf(series), [series])
  const attempts = useMemo(() => [
    { label: w.succeeded, values: c.succeeded, color: '--good' }, { label: w.refusedSeries, values: c.refused, color: '--bad', dash: [6, 3] },
    { label: w.failedSeries, values: c.failed, color: '--warn', dash: [2, 3] }, { label: w.abandonedSeries, values: c.abandoned, color: '--quiet', dash: [10, 4] },
  ], [c])
  const rate = useMemo(() => [{ label: w.rate, values: c.rate, color: '--accent' }], [c])
  const handshake = useMemo(() => [{ label: w.mean, values: c.handshake, color: '--accent' }], [c])
  return (
    <div className={styles.two}>
      <Plot title={w.attemptsPlot} unit={w.per(duration(series.step_s))} t={c.t} lines={attempts} />
      <Plot title={w.ratePlot} unit="%" t={c.t} lines={rate} max={105} />
      <Plot title={w.handshakePlot} unit="ms" t={c.t} lines={handshake} />
    </div>
  )
}
