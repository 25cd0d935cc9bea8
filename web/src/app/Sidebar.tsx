import { RoomList } from '../features/rooms/RoomList'
import { NameField } from '../features/settings/NameField'
import { ThemeField } from '../features/settings/ThemeField'
import { StatusLine } from '../features/status/StatusLine'
import { saveName } from '../shared/name'
import { texts } from '../shared/texts'
import { Icon } from '../shared/ui/Icon'
import { useSnapshot } from '../shared/useSnapshot'
import { leaveRoom } from './joined'
import { pages } from './pages'
import { goTo } from './route'
import type { Session } from './session'
import styles from './Sidebar.module.css'

/** Rooms, pages, and what belongs to the reader. */
export function Sidebar({ session: { client, store }, chat, path, onKeys }: {
  session: Session
  chat: boolean
  /** The page that is open instead of the chat. */
  path: string | null
  onKeys: () => void
}) {
  const room = useSnapshot(client, (s) => s.room)
  const user = useSnapshot(client, (s) => s.user)
  const others = pages.filter((page) => page.path !== 'status')
  return (
    <div className={styles.side}>
      <p className={styles.brand}>{texts.product}</p>
      <div className={styles.rooms}>
        <RoomList client={client} current={chat ? room : null} onOpen={goTo}
          onLeave={(name) => { client.leave(name); leaveRoom(store, name) }} />
      </div>
      <footer className={styles.foot}>
        <nav aria-label={texts.pages.title}>
          {others.map((page) => (
            <a key={page.path} href={`#/${page.path}`} aria-current={path === page.path ? 'page' : undefined}>{page.title}</a>
          ))}
          <StatusLine current={path === 'status'} />
        </nav>
        <NameField name={user} onChange={(name) => { saveName(store, name); client.setUser(name) }} />
        <ThemeField store={store} />
        <button type="button" className={`quiet ${styles.keys ?? ''}`} onClick={onKeys}><Icon name="keyboard" size={16} /> {texts.keys.open}</button>
      </footer>
    </div>
  )
}
