import { useSyncExternalStore } from 'react'
import { roomName } from '../shared/server'

/** What the address says. The server serves the page at / alone, so it is in the fragment. */
export type Route = { page: 'room'; room: string | null } | { page: 'other'; path: string }

/** Reads a fragment: "" and "#/" are the room that was open last. */
export function parseRoute(hash: string): Route {
  const path = hash.replace(/^#\/?/, '').replace(/[/?].*$/, (rest) => (rest.startsWith('/') ? rest : ''))
  if (path === '') return { page: 'room', room: null }
  const room = /^room\/(.+)$/.exec(path)?.[1]
  if (room !== undefined && roomName.test(room)) return { page: 'room', room }
  return { page: 'other', path: path.slice(0, 100) }
}

export function useHash(): string {
  return useSyncExternalStore(subscribe, () => window.location.hash)
}

function subscribe(changed: () => void): () => void {
  window.addEventListener('hashchange', changed)
  return () => { window.removeEventListener('hashchange', changed) }
}

/** Goes to a room. */
export function goTo(room: string): void {
  window.location.hash = `#/room/${room}`
}
