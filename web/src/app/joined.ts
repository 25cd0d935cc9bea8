import type { Store } from '../client/store'
import { roomName } from '../shared/server'

const key = 'partyline.rooms'
const most = 30

/** The rooms that this browser is in, the one shown last first. */
export function loadRooms(store: Store): string[] {
  try {
    const value: unknown = JSON.parse(store.get(key) ?? '[]')
    const known = Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string' && roomName.test(name)) : []
    return known.length > 0 ? [...new Set(known)].slice(0, most) : ['lobby']
  } catch {
    return ['lobby']
  }
}

/** Notes that a room is shown. */
export function enterRoom(store: Store, room: string): void {
  store.set(key, JSON.stringify([room, ...loadRooms(store).filter((name) => name !== room)].slice(0, most)))
}

export function leaveRoom(store: Store, room: string): void {
  store.set(key, JSON.stringify(loadRooms(store).filter((name) => name !== room)))
}
