import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { Identity } from './proxy'

const run = promisify(execFile)

/** Throw-away certificates of one run. */
export class Certificates {
  private readonly dir: string

  private constructor(dir: string) {
    this.dir = dir
  }

  static async make(): Promise<Certificates> {
    const dir = await mkdtemp(join(tmpdir(), 'partyline-certs-'))
    const openssl = (...args: string[]) => run('openssl', args, { cwd: dir })
    for (const ca of ['ca', 'other']) {
      await openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${ca}.key`, '-out', `${ca}.pem`, '-days', '30', '-subj', `/CN=lab ${ca}`)
    }
    for (const [name, ca, days, names] of [
      ['good', 'ca', '20', 'IP:127.0.0.1,DNS:localhost'], ['expired', 'ca', '-1', 'IP:127.0.0.1'],
      ['untrusted', 'other', '20', 'IP:127.0.0.1'], ['wrong_name', 'ca', '20', 'DNS:elsewhere.test'],
    ] as const) {
      await openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
      await writeFile(join(dir, `${name}.ext`), `subjectAltName=${names}\nextendedKeyUsage=serverAuth\n`)
      await openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', days, '-extfile', `${name}.ext`, '-out', `${name}.pem`)
    }
    return new Certificates(dir)
  }

  /** The authority that the terminal trusts. */
  get authority(): string {
    return join(this.dir, 'ca.pem')
  }

  async identity(name: string): Promise<Identity> {
    const [cert, key] = await Promise.all([readFile(join(this.dir, `${name}.pem`), 'utf8'), readFile(join(this.dir, `${name}.key`), 'utf8')])
    return { cert, key }
  }

  /** What makes Chromium trust the good one and no other. */
  async pin(): Promise<string> {
    const { cert } = await this.identity('good')
    return createHash('sha256').update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })).digest('base64')
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true })
  }
}

/** A port on which nothing listens, as far as that can be known. */
export async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? String(address.port) : ''
}

/** Something that stands on a port until it is stopped. */
export interface Standing { port: string; stop: () => Promise<void> }

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

async function listens(port: string): Promise<boolean> {
  const socket = connect(Number(port), '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** nginx or HAProxy in front of a server, in the foreground, until stopped. */
export async function program(name: 'nginx' | 'haproxy', config: string, upstream: string): Promise<Standing> {
  const dir = await mkdtemp(join(tmpdir(), 'partyline-lab-'))
  const port = await freePort(), down = `127.0.0.1:${await freePort()}`
  const file = join(dir, 'conf')
  await writeFile(file, config.replaceAll('PORT', port).replaceAll('UPSTREAM', upstream).replaceAll('DOWN', down).replaceAll('DIR', dir))
  const path = `${process.env.PATH ?? ''}:/usr/sbin:/usr/local/sbin`
  const child = spawn(name, name === 'nginx' ? ['-p', dir, '-e', join(dir, 'error.log'), '-c', file, '-g', 'master_process off;'] : ['-db', '-f', file], { env: { PATH: path }, stdio: ['ignore', 'ignore', 'pipe'] })
  const said: string[] = []
  child.stderr.on('data', (data: Buffer) => { said.push(data.toString()) })
  child.on('error', (error) => { said.push(error.message) })
  for (let i = 0; i < 200 && child.exitCode === null; i++) {
    if (await listens(port)) return { port, stop: async () => { await end(child); await rm(dir, { recursive: true, force: true }) } }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  await end(child)
  throw new Error(`${name} does not listen: ${said.join('')}`)
}

/** A port whose queue is full, so that the kernel drops further SYNs. */
export async function blackhole(): Promise<Standing> {
  // The child never accepts: it waits without an event loop.
  const child = spawn(process.execPath, ['-e', `
    const s = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, s.address().port + '\\n')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = await once(createInterface(child.stdout), 'line') as [string]
  const fill: Socket[] = []
  for (let i = 0; i < 6; i++) fill.push(connect(Number(port), '127.0.0.1').on('error', () => undefined))
  await once(fill[0] as Socket, 'connect')
  return { port, stop: async () => { fill.forEach((s) => s.destroy()); await end(child) } }
}

const handshake = (host: string) => `GET /ws/chat/?user=lab HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`

/** Opens one connection and keeps it. */
export async function hold(host: string): Promise<Socket> {
  const [name = '', port = ''] = host.split(':')
  const socket = connect(Number(port), name).on('error', () => undefined)
  socket.write(handshake(host))
  await once(socket, 'data')
  socket.resume()
  return socket
}

/** Connects all the time, so that the address is over its rate. */
export async function hammer(host: string): Promise<() => void> {
  const [name = '', port = ''] = host.split(':')
  let refused: () => void = () => undefined
  const over = new Promise<void>((resolve) => { refused = resolve })
  const timer = setInterval(() => {
    const socket = connect(Number(port), name).on('error', () => undefined)
    socket.on('data', (data) => {
      if (data.toString('latin1').startsWith('HTTP/1.1 429')) refused()
      socket.destroy()
    })
    socket.write(handshake(host))
  }, 20)
  await over
  return () => { clearInterval(timer) }
}
