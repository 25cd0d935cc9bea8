import { useId, useState } from 'react'
import { cleanName } from '../../shared/name'
import { texts } from '../../shared/texts'
import styles from './Settings.module.css'

/** The name, used once the field is left or Enter is pressed. */
export function NameField({ name, onChange }: { name: string; onChange: (name: string) => void }) {
  const [typed, setTyped] = useState(name)
  const rule = useId()
  const clean = cleanName(typed)
  const use = () => {
    if (clean !== null && clean !== name) onChange(clean)
  }
  return (
    <form className={styles.field} onSubmit={(event) => { event.preventDefault(); use() }}>
      <label>
        <span>{texts.name.label}</span>
        <input value={typed} autoComplete="nickname" spellCheck={false} aria-invalid={clean === null} aria-describedby={rule}
          onChange={(event) => { setTyped(event.target.value) }} onBlur={use} />
      </label>
      <small id={rule} role={clean === null ? 'alert' : undefined}>{clean === null && texts.name.rule}</small>
    </form>
  )
}
