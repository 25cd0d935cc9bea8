import { useEffect, useState, type ReactNode } from 'react'
import type { Client } from '../../client/client'
import type { Store } from '../../client/store'
import { duration } from '../../shared/format'
import { fetchStatus } from '../../shared/server'
import { texts } from '../../shared/texts'
import { useOnline } from '../../shared/useMedia'
import { useNow, usePolled } from '../../shared/usePolled'
import { useSnapshot } from '../../shared/useSnapshot'
import styles from './Banner.module.css'
import { bannerWords, clockWords } from './banner'

const patience = 1_200 // milliseconds: most reconnects are over by then
const every = 5_000

/** Says what is wrong, if something is. */
export function Banner({ client, store, onDiagnose }: { client: Client; store: Store; onDiagnose: () => void }) {
  const down = useSnapshot(client, (s) => s.connection.name !== 'online')
  const [late, setLate] = useState(false)
  useEffect(() => {
    if (!down) return
    const timer = setTimeout(() => { setLate(true) }, patience)
    return () => { clearTimeout(timer); setLate(false) }
  }, [down])
  return (
    <>
      {down && late && <Down client={client} onDiagnose={onDiagnose} />}
      <Warnings client={client} store={store} />
    </>
  )
}

function Down({ client, onDiagnose }: { client: Client; onDiagnose: () => void }) {
  const state = useSnapshot(client, (s) => s.connection)
  const why = useSnapshot(client, (s) => s.why)
  const network = useOnline()
  const server = usePolled(fetchStatus, every).value
  const now = useNow(client.o.env.now, 500)
  const banner = bannerWords({ state, why, network, server, now })
  if (!banner) return null
  return (
    <Bar tone={banner.tone} words={banner.words}>
      {banner.retry && <button type="button" onClick={() => { client.start() }}>{texts.connection.now}</button>}
      {banner.diagnose && <button type="button" onClick={onDiagnose}>{texts.connection.details}</button>}
    </Bar>
  )
}

function Warnings({ client, store }: { client: Client; store: Store }) {
  const offset = useSnapshot(client, (s) => s.clockOffset)
  const notice = useSnapshot(client, (s) => s.notice)
  const [told, setTold] = useState<number | null>(null) // the offset that the reader knows of
  const [careless, setCareless] = useState(false)
  const clock = clockWords(offset, told, duration)
  const failed = notice && (notice.room === '' ? texts.banner.notice(texts.error(notice.code)) : texts.banner.room(notice.room.slice(0, 64), texts.error(notice.code)))
  return (
    <>
      {failed !== null && <Bar tone="bad" words={failed}><button type="button" onClick={() => { client.dismiss() }}>{texts.dismiss}</button></Bar>}
      {clock !== '' && <Bar tone="wait" words={clock}><button type="button" onClick={() => { setTold(offset) }}>{texts.dismiss}</button></Bar>}
      {!careless && !store.lasting() && <Bar tone="wait" words={texts.banner.storage}><button type="button" onClick={() => { setCareless(true) }}>{texts.dismiss}</button></Bar>}
    </>
  )
}

function Bar({ tone, words, children }: { tone: 'wait' | 'bad'; words: string; children: ReactNode }) {
  return (
    <div className={styles.bar} data-tone={tone}>
      <p role={tone === 'bad' ? 'alert' : 'status'}>{words}</p>
      <span>{children}</span>
    </div>
  )
}
