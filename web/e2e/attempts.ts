import { get, type IncomingMessage } from 'node:http'
import { homedir } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { Server } from './server'

const upgrade = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }

/** Makes one attempt, and cuts the connection as soon as it is answered. */
async function attempt(server: Server, headers: Record<string, string>): Promise<number> {
  const request = get(`http://${server.chat}/ws/chat/`, { headers, agent: false })
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve).on('upgrade', resolve).on('error', reject)
  })
  request.destroy()
  answer.socket.destroy()
  return answer.statusCode ?? 0
}

async function counted(server: Server): Promise<unknown> {
  const answer = await fetch(`${server.url}api/v1/analytics/summary?since=1h`)
  if (!answer.ok) return answer.status
  const { total, refused, closes } = await answer.json() as Record<string, unknown>
  return { total, refused, closes }
}

/**
 * Starts a server with statistics and makes 12 attempts: five are accepted and
 * cut, four ask for no upgrade, three come from a foreign page. Returns when all
 * are counted.
 *
 * @param token its admin token
 */
export async function serverWithAttempts(token: string): Promise<Server> {
  const server = await Server.create([], {
    // The library is where the Go tests have put it.
    HOME: homedir(), ...(process.env.XDG_CACHE_HOME !== undefined && { XDG_CACHE_HOME: process.env.XDG_CACHE_HOME }),
    PARTYLINE_ANALYTICS_MODE: 'embedded', PARTYLINE_ADMIN_TOKEN: token,
  })
  for (let i = 0; i < 5; i++) await attempt(server, upgrade)
  for (let i = 0; i < 4; i++) await attempt(server, {})
  for (let i = 0; i < 3; i++) await attempt(server, { ...upgrade, Origin: 'http://elsewhere.example' })
  const limit = Date.now() + 120_000
  while (JSON.stringify(await counted(server)) !== '{"total":12,"refused":7,"closes":5}') {
    if (Date.now() > limit) throw new Error(`the statistics say ${JSON.stringify(await counted(server))}`)
    await setTimeout(250)
  }
  return server
}
