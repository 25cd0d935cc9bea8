import type { Client } from '../../client/client'
import { shownName } from '../../shared/format'
import { texts } from '../../shared/texts'
import { Avatar } from '../../shared/ui/Avatar'
import { useSnapshot } from '../../shared/useSnapshot'
import styles from './People.module.css'

const shownMost = 200

/** Who is in the room that is shown. */
export function People({ client }: { client: Client }) {
  const people = useSnapshot(client, (s) => s.people)
  const members = useSnapshot(client, (s) => s.members)
  const uid = useSnapshot(client, (s) => s.uid)
  if (people.length === 0 && members > 1) return <p className={styles.hint}>{texts.people.unnamed(members)}</p>
  return (
    <>
      <ul className={styles.people}>
        {people.slice(0, shownMost).map((person) => (
          <li key={person.uid}>
            <Avatar name={person.user} own={person.uid === uid} small />
            <bdi className={styles.name}>{shownName(person.user) || texts.messages.noName}</bdi>
            {person.uid === uid && <small>{texts.people.you}</small>}
          </li>
        ))}
      </ul>
      {people.length <= 1 && <p className={styles.hint}>{texts.people.alone}</p>}
    </>
  )
}
