import type { Client } from '../../client/client'
import type { Unsent } from '../../client/outbox'
import { shownName } from '../../shared/format'
import { texts } from '../../shared/texts'
import { Avatar } from '../../shared/ui/Avatar'
import { useSnapshot } from '../../shared/useSnapshot'
import { MessageText } from './MessageText'
import styles from './Row.module.css'

/** A message that the server has not confirmed. */
export function UnsentRow({ entry, client }: { entry: Unsent; client: Client }) {
  const online = useSnapshot(client, (s) => s.connection.name === 'online')
  if (entry.change.kind !== 'send') return null
  const { failed, change: { text } } = entry
  return (
    <div className={styles.row} data-group="true">
      <article className={styles.message} data-state={failed === undefined ? 'pending' : 'failed'} data-own="true">
        <span className={styles.gutter}><Avatar name={entry.user} own /></span>
        <header className={styles.head}>
          <bdi className={styles.author}>{shownName(entry.user)}</bdi>
          {failed === undefined && <small className={styles.state}>{online ? texts.messages.sending : texts.messages.waits}</small>}
        </header>
        <MessageText text={text} />
        {failed !== undefined && (
          <p className={styles.failed} role="alert">
            {texts.messages.notSent(texts.error(failed))}{' '}
            <button type="button" className="link" onClick={() => { client.retry(entry.id) }}>{texts.retry}</button>{' '}
            <button type="button" className="link" onClick={() => { client.discard(entry.id) }}>{texts.discard}</button>
          </p>
        )}
      </article>
    </div>
  )
}
