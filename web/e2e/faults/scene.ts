import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server } from '../server'
import type { Case } from './list'
import type { Ways } from './look'
import { filter } from './network'
import { Proxy } from './proxy'
import { blackhole, freePort, hammer, hold, program, type Certificates } from './standing'
import { tokenFlags } from './tokens'

/** What has to be undone, the last first. */
export type Later = (() => unknown)[]

// A gateway and its log in a process of its own, which is stopped when the gateway serves.
async function withoutStorage(flags: string[], later: Later): Promise<Server> {
  const dir = await mkdtemp(join(tmpdir(), 'partyline-lab-'))
  later.push(() => rm(dir, { recursive: true, force: true }))
  const users = join(dir, 'users.yaml')
  await writeFile(users, '- {user: gw, password: of-the-lab, role: gateway}\n', { mode: 0o600 })
  const storage = await Server.create(['--roles', 'storage,projector', '--nats-listen', '127.0.0.1:0', '--nats-users-file', users])
  later.push(() => storage.remove())
  const nats = storage.log.map((line) => /"nats":"([^"]+)"/.exec(line)?.[1]).find((at) => at !== undefined) ?? ''
  const gateway = await Server.create(['--roles', 'gateway', '--nats-url', `nats://gw:of-the-lab@${nats}`, ...flags])
  await storage.kill()
  return gateway
}

// A server in the state that the case asks for; its address.
async function standing(c: Case, healthy: Server, later: Later): Promise<string> {
  const origins = ['--origins', new URL(healthy.url).origin, ...c.host === undefined ? [] : ['--http-public-hosts', c.host]]
  if (!c.server && !c.token && !c.storage && c.packets !== 'ipv6 dropped') return new URL(healthy.url).host
  const down = `127.0.0.1:${await freePort()}`
  const flags = [...(c.server?.flags ?? []).map((flag) => flag.replace('127.0.0.1:DOWN', down)), ...c.token ? tokenFlags : [], ...origins]
  const own = c.storage ? await withoutStorage(flags, later) : await Server.create(flags)
  later.push(() => own.remove())
  const at = new URL(own.url).host, busy = c.server?.busy
  if (busy === 'held' || busy === 'draining') {
    // Several to drain: they leave spread over the time, so that it does not end at once.
    for (let i = 0; i < (busy === 'held' ? 1 : 8); i++) {
      const socket = await hold(at)
      later.push(() => socket.destroy())
    }
  }
  if (busy === 'hammered') later.push(await hammer(at))
  if (busy === 'draining') own.terminate()
  return at
}

// What the case puts in front of it; the port.
async function front(c: Case, upstream: string, certificates: Certificates, later: Later): Promise<string> {
  if (c.blackhole) {
    const hole = await blackhole()
    later.push(hole.stop)
    return hole.port
  }
  if (c.program) {
    const real = await program(c.program, c.config ?? '', upstream)
    later.push(real.stop)
    return real.port
  }
  const proxy = await Proxy.start(upstream, c.fault ?? {}, c.tls && await certificates.identity(c.tls))
  later.push(() => { proxy.stop() })
  if (c.closed) proxy.stop()
  return proxy.port
}

/** Sets up what a case describes beside a healthy server. */
export async function scene(c: Case, server: Server, certificates: Certificates, later: Later): Promise<Ways> {
  const upstream = await standing(c, server, later), at = await front(c, upstream, certificates, later)
  const direct = upstream.split(':')[1] ?? '', healthy = new URL(server.url).port
  const faulty = c.fault !== null || c.closed === true
  let page = `http://${c.from === 'localhost' ? 'localhost' : '127.0.0.1'}:${faulty && c.from === undefined ? at : healthy}`
  if (c.securePage) {
    const secure = c.tls ? at : await front({ ...c, fault: {}, tls: 'good' }, upstream, certificates, later)
    page = `https://127.0.0.1:${secure}`
  }
  if (c.packets) later.push(await filter(c, at))
  return { ws: faulty && c.through !== 'http' ? at : direct, http: faulty && c.through !== 'ws' ? at : direct, page, secure: c.tls !== undefined }
}
