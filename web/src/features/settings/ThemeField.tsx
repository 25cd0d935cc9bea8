import { useState } from 'react'
import type { Store } from '../../client/store'
import { texts } from '../../shared/texts'
import { loadTheme, setTheme, type Theme } from '../../shared/theme'
import styles from './Settings.module.css'

const themes: readonly Theme[] = ['system', 'light', 'dark']

/** Light, dark, or as the system is. */
export function ThemeField({ store }: { store: Store }) {
  const [theme, choose] = useState(() => loadTheme(store))
  return (
    <div className={styles.field}>
      <label>
        <span>{texts.theme.label}</span>
        <select value={theme} onChange={({ target }) => {
          const chosen = themes.find((other) => other === target.value) ?? 'system'
          choose(chosen)
          setTheme(store, chosen)
        }}>
          {themes.map((name) => <option key={name} value={name}>{texts.theme[name]}</option>)}
        </select>
      </label>
    </div>
  )
}
