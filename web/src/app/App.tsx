import { lazy, Suspense, useCallback, useEffect, useState } from 'react'
import { Chat } from '../features/chat/Chat'
import { People } from '../features/people/People'
import { Keys } from '../features/settings/Keys'
import { texts } from '../shared/texts'
import { Icon } from '../shared/ui/Icon'
import { Sheet } from '../shared/ui/Sheet'
import { narrow, phone, useMedia } from '../shared/useMedia'
import { useSnapshot } from '../shared/useSnapshot'
import styles from './App.module.css'
import { Boundary } from './Boundary'
import { enterRoom } from './joined'
import { OtherPage } from './OtherPage'
import { ReportQuestion } from './ReportQuestion'
import { parseRoute, useHash } from './route'
import type { Session } from './session'
import { SignIn } from './SignIn'
import { Sidebar } from './Sidebar'
import { useKeys } from './useKeys'

const Diagnostics = lazy(() => import('../features/diagnostics/Diagnostics'))

type Open = 'rooms' | 'people' | 'diagnostics' | 'keys' | null

/** The whole page: rooms, chat or another page, people, and what opens above them. */
export function App({ session }: { session: Session }) {
  const { client, store } = session
  const [open, setOpen] = useState<Open>(null)
  const hash = useHash()
  const route = parseRoute(hash)
  const isPhone = useMedia(phone)
  const isNarrow = useMedia(narrow)
  const close = useCallback(() => { setOpen(null) }, [])
  const room = route.page === 'room' ? route.room : null
  useEffect(() => {
    if (room !== null) {
      client.open(room)
      enterRoom(store, room)
    }
    setOpen(null)
  }, [client, store, room, hash])
  useKeys(client, { onRooms: () => { setOpen('rooms') }, onKeys: () => { setOpen('keys') } })
  useTitle(session)

  const sidebar = <Sidebar session={session} chat={route.page === 'room'} path={route.page === 'other' ? route.path : null} onKeys={() => { setOpen('keys') }} />
  const menu = isPhone && <button type="button" className="quiet icon" aria-label={texts.menu} onClick={() => { setOpen('rooms') }}><Icon name="menu" /></button>
  const people = isNarrow && <PeopleButton session={session} onClick={() => { setOpen('people') }} />
  return (
    <div className={styles.app}>
      {!isPhone && <aside className={styles.side} aria-label={texts.menu}>{sidebar}</aside>}
      <main className={styles.main}>
        <SignIn session={session} />
        <ReportQuestion reports={session.reports} />
        {route.page === 'room'
          ? <Chat client={client} store={store} menu={menu} people={people} onDiagnose={() => { setOpen('diagnostics') }} />
          : <OtherPage path={route.path} session={session} menu={menu} />}
      </main>
      {!isNarrow && route.page === 'room' && <PeopleSide session={session} />}
      {open === 'rooms' && <Sheet title={texts.product} side="left" onClose={close}>{sidebar}</Sheet>}
      {open === 'people' && <Sheet title={texts.people.title} side="right" onClose={close}><People client={client} /></Sheet>}
      {open === 'keys' && <Sheet title={texts.keys.title} side="middle" onClose={close}><Keys /></Sheet>}
      {open === 'diagnostics' && (
        <Sheet title={texts.diagnostics.title} side="wide" onClose={close}>
          <Boundary>
            <Suspense fallback={<p className="pad">{texts.pages.loading}</p>}><Diagnostics client={client} /></Suspense>
          </Boundary>
        </Sheet>
      )}
    </div>
  )
}

function PeopleSide({ session: { client } }: { session: Session }) {
  const members = useSnapshot(client, (s) => s.members)
  return (
    <aside className={styles.people} aria-label={texts.people.title}>
      <h2>{texts.people.count(members)}</h2>
      <People client={client} />
    </aside>
  )
}

function PeopleButton({ session: { client }, onClick }: { session: Session; onClick: () => void }) {
  const members = useSnapshot(client, (s) => s.members)
  return <button type="button" className="quiet icon" aria-label={texts.people.count(members)} title={texts.people.count(members)} onClick={onClick}><Icon name="people" /></button>
}

// The unread messages of all rooms, where a tab shows them.
function useTitle({ client }: Session): void {
  const unread = useSnapshot(client, (s) => s.rooms.reduce((sum, { unread: n }) => sum + n, 0))
  const room = useSnapshot(client, (s) => s.room)
  useEffect(() => {
    document.title = `${unread > 0 ? `(${texts.rooms.unread(unread)}) ` : ''}#${room} · ${texts.product}`
  }, [unread, room])
}
