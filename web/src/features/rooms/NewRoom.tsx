import { useId, useState } from 'react'
import { roomName } from '../../shared/server'
import { texts } from '../../shared/texts'
import { Icon } from '../../shared/ui/Icon'
import styles from './Rooms.module.css'

/** Opens a room by its name; its first message makes it. */
export function NewRoom({ onOpen }: { onOpen: (room: string) => void }) {
  const [typed, setTyped] = useState<string | null>(null)
  const rule = useId()
  if (typed === null) {
    return <button type="button" className={`quiet ${styles.create ?? ''}`} onClick={() => { setTyped('') }}><Icon name="plus" size={16} /> {texts.rooms.create}</button>
  }
  const name = typed.trim().toLowerCase().replace(/^#/, '').replaceAll(/\s+/g, '-')
  const good = roomName.test(name)
  return (
    <form className={styles.form} onSubmit={(event) => {
      event.preventDefault()
      if (!good) return
      setTyped(null)
      onOpen(name)
    }}>
      <input autoFocus aria-label={texts.rooms.name} placeholder={texts.rooms.name} value={typed} spellCheck={false} autoCapitalize="none"
        aria-invalid={typed !== '' && !good} aria-describedby={rule}
        onChange={(event) => { setTyped(event.target.value) }}
        onKeyDown={(event) => { if (event.key === 'Escape') setTyped(null) }} />
      <button type="submit" disabled={!good}>{texts.rooms.open}</button>
      <small id={rule} role={typed !== '' && !good ? 'alert' : undefined}>{texts.rooms.rule}</small>
    </form>
  )
}
