import { useState } from 'react'
import type { Message } from '../../client/frames'
import { texts } from '../../shared/texts'
import { Icon, type IconName } from '../../shared/ui/Icon'
import { Popover } from '../../shared/ui/Popover'
import type { RowActions } from './actions'
import { EmojiGrid } from './EmojiGrid'
import styles from './Toolbar.module.css'

/** What can be done with one message. */
export function Toolbar({ message, own, actions }: { message: Message; own: boolean; actions: RowActions }) {
  const [sure, setSure] = useState(false)
  if (sure) {
    return (
      <div className={styles.tools} role="toolbar" aria-label={texts.actions.label}>
        <button type="button" autoFocus className={styles.danger} onClick={() => { actions.remove(message) }}>{texts.actions.removeSure}</button>
        <button type="button" className="quiet" onClick={() => { setSure(false) }}>{texts.cancel}</button>
      </div>
    )
  }
  return (
    <div className={styles.tools} role="toolbar" aria-label={texts.actions.label}>
      <Popover label={texts.actions.react} className="quiet icon" face={<Icon name="smile" />}>
        {(close) => (
          <EmojiGrid label={texts.actions.withEmoji} onPick={(emoji) => {
            close()
            actions.react(message, emoji, true)
          }} />
        )}
      </Popover>
      <Tool icon="reply" label={texts.actions.reply} onClick={() => { actions.reply(message) }} />
      {own && <Tool icon="edit" label={texts.actions.edit} onClick={() => { actions.edit(message) }} />}
      {own && <Tool icon="trash" label={texts.actions.remove} onClick={() => { setSure(true) }} />}
    </div>
  )
}

function Tool({ icon, label, onClick }: { icon: IconName; label: string; onClick: () => void }) {
  return <button type="button" className="quiet icon" aria-label={label} title={label} onClick={onClick}><Icon name={icon} /></button>
}
