import { saveName } from '../features/chat/name'
import { Chat } from '../features/chat/Chat'
import { Status } from '../features/status/Status'
import type { Session } from './session'

export function App({ session: { client, store } }: { session: Session }) {
  return (
    <>
      <Chat client={client} onName={(name) => { saveName(store, name) }} />
      <Status />
    </>
  )
}
