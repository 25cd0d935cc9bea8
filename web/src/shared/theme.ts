import type { Store } from '../client/store'

export type Theme = 'system' | 'light' | 'dark'

const key = 'partyline.theme'

export function loadTheme(store: Store): Theme {
  const known = store.get(key)
  return known === 'light' || known === 'dark' ? known : 'system'
}

/** Keeps the theme and shows it: tokens.css follows the attribute. */
export function setTheme(store: Store, theme: Theme): void {
  if (theme === 'system') store.remove(key)
  else store.set(key, theme)
  showTheme(theme)
}

export function showTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}
