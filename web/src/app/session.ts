import { attach, browserEnv } from '../client/browser'
import { Client } from '../client/client'
import { installationKey } from '../client/identity'
import { webStore, type Store } from '../client/store'
import { loadName } from '../shared/name'
import { loadToken } from '../shared/secrets'
import { loadRooms } from './joined'
import { ReportSender } from './reports'

export interface Session {
  client: Client
  store: Store
  reports: ReportSender
}

/** Connects to the server that the page came from. */
export function startChat(room: string | null): Session {
  const store = webStore(() => window.localStorage)
  const env = browserEnv()
  const rooms = loadRooms(store)
  const client = new Client({
    env, store, rooms,
    urls: [new URL('/ws/chat/', window.location.href).href.replace(/^http/, 'ws')],
    clientKey: installationKey(store, env),
    user: loadName(store, env),
    token: loadToken,
  }, room ?? rooms[0] ?? 'lobby')
  attach(client)
  const reports = new ReportSender(client, store)
  client.start()
  return { client, store, reports }
}
