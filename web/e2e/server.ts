import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const binary = join(import.meta.dirname, '../../bin/partyline')
const patience = 30_000 // milliseconds until ready

interface Ready { http: string; ws: string }

/** The real program with a data directory of its own. */
export class Server {
  private readonly dir: string
  private child: ChildProcess | null = null
  private ready: Ready | null = null
  private removed = false
  readonly log: string[] = []

  private readonly flags: string[]
  private readonly env: Record<string, string>

  private constructor(dir: string, flags: string[], env: Record<string, string>) {
    this.dir = dir
    this.flags = flags
    this.env = env
  }

  /** Without statistics, unless env says otherwise. */
  static async create(flags: string[] = [], env: Record<string, string> = {}): Promise<Server> {
    const server = new Server(await mkdtemp(join(tmpdir(), 'partyline-e2e-')), flags, env)
    await server.start()
    return server
  }

  get url(): string {
    return `http://${this.ready?.http ?? ''}/`
  }

  /** Where chat connections are made, as host and port. */
  get chat(): string {
    return this.ready?.ws ?? ''
  }

  /** Starts it, the second time on the ports of the first. */
  async start(): Promise<void> {
    if (this.removed) throw new Error('the test is over') // one that timed out may still run
    const { http, ws } = this.ready ?? { http: '127.0.0.1:0', ws: '127.0.0.1:0' }
    const child = spawn(binary, ['serve', '--data-dir', join(this.dir, 'data'), '--http-addr', http, '--ws-addr', ws, '--log-format', 'json', ...this.flags], {
      cwd: this.dir, env: { HOME: this.dir, PATH: process.env.PATH, PARTYLINE_ANALYTICS_MODE: 'off', ...this.env }, stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.child = child
    this.ready = await this.waitReady(child)
  }

  /** Asks it to end, as an operator does; it drains first. */
  terminate(): void {
    this.child?.kill('SIGTERM')
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    const { child } = this
    this.child = null
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async remove(): Promise<void> {
    this.removed = true
    await this.kill()
    await rm(this.dir, { recursive: true, force: true })
  }

  private waitReady(child: ChildProcess): Promise<Ready> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => { reject(new Error(`partyline ${why}:\n${this.log.slice(-40).join('\n')}`)) }
      const timer = setTimeout(() => { fail('is not ready') }, patience)
      child.once('error', (error) => { fail(error.message) })
      child.once('exit', (code) => { fail(`ended with ${String(code)}`) })
      if (!child.stderr) return
      createInterface(child.stderr).on('line', (line) => {
        this.log.push(line)
        const ready = parseReady(line)
        if (!ready) return
        clearTimeout(timer)
        resolve(ready)
      })
    })
  }
}

function parseReady(line: string): Ready | null {
  try {
    const { msg, http, ws } = JSON.parse(line) as Record<string, unknown>
    return msg === 'ready' && typeof http === 'string' && typeof ws === 'string' ? { http, ws } : null
  } catch {
    return null
  }
}
