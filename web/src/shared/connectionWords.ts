import type { ConnectionState } from '../client/connection'
import { texts } from './texts'

/** How a connection looks: its shape differs, not only its colour. */
export type Look = 'good' | 'busy' | 'bad'

export const lookOf = (state: ConnectionState): Look =>
  state.name === 'online' ? 'good' : state.name === 'stopped' ? 'bad' : 'busy'

/** The connection in two or three words. */
export function pillWords(state: ConnectionState, roundTrip: number | null): string {
  const t = texts.connection
  switch (state.name) {
    case 'online': return roundTrip === null ? t.online : t.onlineIn(roundTrip)
    case 'connecting': return state.why === undefined ? t.connecting : t.reconnecting
    case 'waiting': return t.reconnecting
    case 'stopped': return t.stopped
  }
}

/** A state change of the connection, with its reason. */
export function stateWords(state: ConnectionState): string {
  const t = texts.connection
  switch (state.name) {
    case 'online': return t.online
    case 'connecting': return t.connecting
    case 'waiting': return `${t.reconnecting}: ${texts.why[state.why]}`
    case 'stopped': return `${t.stopped}: ${texts.why[state.why]}`
  }
}
