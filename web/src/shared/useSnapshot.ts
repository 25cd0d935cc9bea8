import { useSyncExternalStore } from 'react'
import type { Client } from '../client/client'
import type { Snapshot } from '../client/snapshot'

/** A part of what the client knows; select has to return what keeps its identity. */
export function useSnapshot<T>(client: Client, select: (snapshot: Snapshot) => T): T {
  return useSyncExternalStore(client.subscribe, () => select(client.snapshot()))
}
