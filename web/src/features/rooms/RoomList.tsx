import type { Client } from '../../client/client'
import { fetchRooms } from '../../shared/server'
import { texts } from '../../shared/texts'
import { Icon } from '../../shared/ui/Icon'
import { usePolled } from '../../shared/usePolled'
import { useSnapshot } from '../../shared/useSnapshot'
import { NewRoom } from './NewRoom'
import styles from './Rooms.module.css'

const every = 30_000
const othersMost = 100

/** The rooms that this browser is in, and others of the server. */
export function RoomList({ client, current, onOpen, onLeave }: {
  client: Client
  /** The room that is on the page; null on other pages. */
  current: string | null
  onOpen: (room: string) => void
  onLeave: (room: string) => void
}) {
  const rooms = useSnapshot(client, (s) => s.rooms)
  const server = usePolled(fetchRooms, every).value ?? []
  const known = new Set(rooms.map(({ name }) => name))
  const others = server.filter(({ name }) => !known.has(name)).slice(0, othersMost)
  return (
    <nav aria-label={texts.rooms.title} className={styles.rooms}>
      <h2>{texts.rooms.title}</h2>
      <ul>
        {rooms.map(({ name, unread }) => (
          <li key={name} className={styles.room} data-unread={unread > 0 && name !== current}>
            <a href={`#/room/${name}`} aria-current={name === current ? 'page' : undefined} aria-label={texts.rooms.unreadOf(name, name === current ? 0 : unread)}>
              <span className={styles.hash}>#</span><span className={styles.name}>{name}</span>
              {unread > 0 && name !== current && <span className={styles.count}>{texts.rooms.unread(unread)}</span>}
            </a>
            {name !== current && rooms.length > 1 && (
              <button type="button" className="quiet icon" aria-label={texts.rooms.leave(name)} title={texts.rooms.leave(name)} onClick={() => { onLeave(name) }}>
                <Icon name="close" size={14} />
              </button>
            )}
          </li>
        ))}
      </ul>
      <NewRoom onOpen={onOpen} />
      {others.length > 0 && (
        <>
          <h2>{texts.rooms.more}</h2>
          <ul>
            {others.map(({ name, topic }) => (
              <li key={name} className={styles.room}>
                <a href={`#/room/${name}`} title={topic === '' ? undefined : topic}><span className={styles.hash}>#</span><span className={styles.name}>{name}</span></a>
              </li>
            ))}
          </ul>
        </>
      )}
    </nav>
  )
}
