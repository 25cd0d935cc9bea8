import type { ReactNode } from 'react'
import { duration, fullTime } from '../../shared/format'
import { fetchStatus, type ServerStatus } from '../../shared/server'
import { texts } from '../../shared/texts'
import { Dot } from '../../shared/ui/Dot'
import { usePolled } from '../../shared/usePolled'
import styles from './Status.module.css'

const every = 5_000 // milliseconds

/** What /chat/status/ says, asked again and again. */
export function StatusPage() {
  const { value } = usePolled(fetchStatus, every)
  const t = texts.status
  return (
    <section className={styles.page} aria-label={t.title}>
      <p className={styles.intro}>{t.intro}</p>
      {value === undefined && <p>{t.asking}</p>}
      {value === null && <p role="alert"><Dot look="bad" /> {t.none}. {t.noneHint}</p>}
      {value && <Facts status={value} />}
    </section>
  )
}

function Facts({ status }: { status: ServerStatus }) {
  const t = texts.status
  const good = status.status === 'ok'
  return (
    <dl className={styles.facts}>
      <Fact name={t.state}><Dot look={good ? 'good' : 'busy'} /> {status.status}</Fact>
      <Fact name={t.version}>{status.version}</Fact>
      <Fact name={t.gateway}>{status.gateway}</Fact>
      <Fact name={t.uptime}>{duration(status.uptime)}</Fact>
      {status.time !== undefined && <Fact name={t.time}>{fullTime(status.time)}</Fact>}
      {status.connections !== undefined && <Fact name={t.connections}>{status.connections}</Fact>}
      <Fact name={t.draining}>{status.draining ? t.yes : t.no}</Fact>
      {status.nats !== undefined && <Fact name={t.storage}>{status.nats}</Fact>}
      {status.durability !== undefined && <Fact name={t.durability}>{status.durability}</Fact>}
      {status.lag !== undefined && <Fact name={t.lag}>{t.events(status.lag)}</Fact>}
      {status.analytics && <Fact name={t.analytics}>{status.analytics.mode}, {status.analytics.ok ? t.ok : t.bad}</Fact>}
      {status.urls.length > 0 && <Fact name={t.addresses}>{status.urls.map((url) => <code key={url}>{url}</code>)}</Fact>}
    </dl>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>
}
