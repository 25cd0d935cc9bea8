import { useSyncExternalStore } from 'react'

function subscribe(changed: () => void): () => void {
  window.addEventListener('hashchange', changed)
  return () => { window.removeEventListener('hashchange', changed) }
}

const read = () => window.location.hash.split('?')[1] ?? ''

/** The parameters behind the page's name in the fragment: "#/statistics?since=1h". */
export function useHashQuery(): URLSearchParams {
  return new URLSearchParams(useSyncExternalStore(subscribe, read))
}

/** Changes one of them; empty removes it. The history keeps one entry for the page. */
export function setHashQuery(name: string, value: string): void {
  const [page = '#/', text] = window.location.hash.split('?')
  const query = new URLSearchParams(text)
  if (value === '') query.delete(name)
  else query.set(name, value)
  window.location.replace(query.size === 0 ? page : `${page}?${query.toString()}`)
}
