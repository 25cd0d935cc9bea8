import { useState } from 'react'
import styles from './Chat.module.css'
import { cleanName } from './name'

/** The name, used once the field is left or Enter is pressed. */
export function NameField({ name, onChange }: { name: string; onChange: (name: string) => void }) {
  const [typed, setTyped] = useState(name)
  const clean = cleanName(typed)
  const use = () => {
    if (clean !== null && clean !== name) onChange(clean)
  }
  return (
    <form className={styles.name} onSubmit={(event) => { event.preventDefault(); use() }}>
      <label>
        Your name{' '}
        <input value={typed} autoComplete="nickname" aria-invalid={clean === null}
          onChange={(event) => { setTyped(event.target.value) }} onBlur={use} />
      </label>
      {clean === null && <span role="alert">1 to 32 visible characters</span>}
    </form>
  )
}
