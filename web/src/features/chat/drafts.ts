import type { Store } from '../../client/store'

const key = (room: string): string => `partyline.draft.${room}`

/** What is written in a room and was not sent. */
export const loadDraft = (store: Store, room: string): string => store.get(key(room))?.slice(0, 20_000) ?? ''

export function saveDraft(store: Store, room: string, text: string): void {
  if (text === '') store.remove(key(room))
  else store.set(key(room), text)
}
