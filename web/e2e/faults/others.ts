import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { end, freePort } from './standing'

/** A browser that Playwright cannot drive. */
export interface Other {
  readonly name: string
  readonly version: string
  open: (url: string) => Promise<void>
  /** Runs the body of a function in the page. */
  run: (script: string, ...args: string[]) => Promise<unknown>
  close: () => Promise<void>
}

const patience = 30_000

async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + patience; Date.now() < end;) {
    const found = await look().catch(() => undefined)
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`${what} did not come`)
}

/** Firefox ESR of the distribution, over Marionette: length, colon, JSON. */
export async function firefox(): Promise<Other> {
  const dir = await mkdtemp(join(tmpdir(), 'partyline-firefox-'))
  await writeFile(join(dir, 'user.js'), [
    ['marionette.port', 0], ['app.normandy.enabled', false], ['datareporting.policy.dataSubmissionEnabled', false],
    ['browser.startup.page', 0], ['browser.newtabpage.enabled', false], ['network.captive-portal-service.enabled', false],
  ].map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''))
  const child = spawn('firefox-esr', ['--headless', '--marionette', '--no-remote', '--profile', dir, 'about:blank'], { stdio: 'ignore', env: { ...process.env, HOME: dir } })
  const stop = async () => {
    await end(child)
    await rm(dir, { recursive: true, force: true, maxRetries: 10 })
  }
  try {
    const port = await until('Marionette', () => readFile(join(dir, 'MarionetteActivePort'), 'utf8'))
    const wire = await Marionette.connect(Number(port))
    const { capabilities } = await wire.command('WebDriver:NewSession', {}) as { capabilities: { browserVersion: string } }
    return {
      name: 'Firefox ESR', version: capabilities.browserVersion, close: stop,
      open: async (url) => { await wire.command('WebDriver:Navigate', { url }) },
      run: async (script, ...args) => (await wire.command('WebDriver:ExecuteScript', { script, args }) as { value: unknown }).value,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

class Marionette {
  private readonly socket: Socket
  private readonly waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  private data = Buffer.alloc(0)
  private last = 0

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (data) => { this.take(data) })
    socket.on('close', () => { for (const { reject } of this.waiting.values()) reject(new Error('Firefox is gone')) })
    socket.on('error', () => { socket.destroy() })
  }

  static async connect(port: number): Promise<Marionette> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    return new Marionette(socket)
  }

  command(name: string, params: object): Promise<unknown> {
    const id = ++this.last, text = JSON.stringify([0, id, name, params])
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.socket.write(`${String(Buffer.byteLength(text))}:${text}`)
    })
  }

  private take(data: Buffer): void {
    this.data = Buffer.concat([this.data, data])
    for (;;) {
      const colon = this.data.indexOf(0x3a), length = Number(this.data.subarray(0, colon))
      if (colon < 0 || this.data.length < colon + 1 + length) return
      const message: unknown = JSON.parse(this.data.subarray(colon + 1, colon + 1 + length).toString())
      this.data = this.data.subarray(colon + 1 + length)
      if (!Array.isArray(message)) continue // the greeting
      const [, id, error, result] = message as [number, number, { message?: string } | null, unknown]
      if (error) this.waiting.get(id)?.reject(new Error(error.message ?? 'unknown error'))
      else this.waiting.get(id)?.resolve(result)
      this.waiting.delete(id)
    }
  }
}

const miniBrowser = '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser'

/** WebKitGTK of the distribution, over WebDriver, on a display of its own. */
export async function webkit(): Promise<Other> {
  const children: ChildProcess[] = []
  const close = async () => { for (const child of children.reverse()) await end(child, 'SIGTERM') }
  try {
    const screen = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
    children.push(screen)
    const [number] = await once(screen.stdio[3] as Readable, 'data') as [Buffer]
    const port = await freePort()
    children.push(spawn('WebKitWebDriver', [`--port=${port}`], {
      // Its sandbox needs what containers do not have; the pages are our own.
      stdio: 'ignore', env: { ...process.env, DISPLAY: `:${number.toString().trim()}`, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', LIBGL_ALWAYS_SOFTWARE: '1' },
    }))
    const call = async (path: string, body?: object): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, body && { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
      const { value } = await response.json() as { value: unknown }
      if (!response.ok) throw new Error((value as { message?: string }).message ?? `status ${String(response.status)}`)
      return value
    }
    await until('WebKitWebDriver', () => call('/status'))
    const { sessionId, capabilities } = await call('/session', {
      capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': { binary: miniBrowser, args: ['--automation'] } } },
    }) as { sessionId: string; capabilities: { browserVersion: string } }
    return {
      name: 'WebKitGTK', version: capabilities.browserVersion, close,
      open: async (url) => { await call(`/session/${sessionId}/url`, { url }) },
      run: (script, ...args) => call(`/session/${sessionId}/execute/sync`, { script, args }),
    }
  } catch (error) {
    await close()
    throw error
  }
}
