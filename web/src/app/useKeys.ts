import { useEffect } from 'react'
import type { Client } from '../client/client'
import { goTo } from './route'

/** The shortcuts of the whole page. */
export function useKeys(client: Client, { onRooms, onKeys }: { onRooms: () => void; onKeys: () => void }): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const control = event.ctrlKey || event.metaKey
      if (control && event.key === 'k') onRooms()
      else if (control && event.key === '/') onKeys()
      else if (event.altKey && event.key === 'ArrowUp') next(client, -1)
      else if (event.altKey && event.key === 'ArrowDown') next(client, 1)
      else return
      event.preventDefault()
    }
    document.addEventListener('keydown', pressed)
    return () => { document.removeEventListener('keydown', pressed) }
  })
}

function next(client: Client, step: number): void {
  const { rooms, room } = client.snapshot()
  const at = rooms.findIndex(({ name }) => name === room)
  const to = rooms[(at + step + rooms.length) % rooms.length]
  if (to && to.name !== room) goTo(to.name)
}
