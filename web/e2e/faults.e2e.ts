import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch } from './browser'
import { cases, everyday, type Case } from './faults/list'
import { Proxy } from './faults/proxy'
import { table, type Outcome, type Row } from './faults/report'
import { blackhole, Certificates, hammer, hold, program } from './faults/standing'
import { Server } from './server'

const binary = join(import.meta.dirname, '../../bin/partyline')
const whole = process.env.FAULTLAB === '1'
const chosen = cases.filter((c) => whole || everyday.has(c.name))

let browser: Browser
let server: Server
let certificates: Certificates

beforeAll(async () => {
  certificates = await Certificates.make()
  browser = await launch(`--ignore-certificate-errors-spki-list=${await certificates.pin()}`, '--host-resolver-rules=MAP lab.test 127.0.0.1')
  server = await Server.create()
})
afterAll(async () => {
  await browser.close()
  await server.remove()
  await certificates.remove()
  // A run that was cut short or narrowed down says nothing about the whole.
  if (whole && rows.length === cases.length) await writeFile(join(import.meta.dirname, '../../docs/diagnosis.md'), table(rows))
})

interface Ways { page: string; ws: string; http: string; secure: boolean }
const rows: Row[] = []

async function inPage(c: Case, ways: Ways): Promise<Outcome> {
  const context = await browser.newContext()
  try {
    const page = await context.newPage()
    await page.goto(c.file ? pathToFileURL(join(import.meta.dirname, '../dist/websocket-diagnostics.html')).href : `${ways.page}/websocket-diagnostics.html`)
    if (c.file && c.origin !== undefined) await page.getByLabel('Origin of the page that shall connect').fill(c.origin)
    await page.getByLabel('Scheme').selectOption(ways.secure ? 'wss' : 'ws')
    await page.getByLabel('Host', { exact: true }).fill(c.host ?? '127.0.0.1')
    await page.getByLabel('WebSocket port').fill(ways.ws)
    await page.getByLabel('HTTP port').fill(ways.http)
    if (c.path !== undefined) await page.getByLabel('Chat path').fill(c.path)
    const begin = performance.now()
    await page.getByRole('button', { name: 'Run diagnosis' }).click()
    const verdict = page.getByRole('status', { name: 'Verdict' })
    await verdict.waitFor()
    const ms = performance.now() - begin
    return { code: await verdict.getAttribute('data-code') ?? '', confidence: await verdict.getAttribute('data-confidence') ?? '', ms }
  } finally {
    await context.close()
  }
}

function inTerminal(c: Case, ways: Ways): Promise<Outcome> {
  const host = c.doctorHost ?? c.host ?? '127.0.0.1', s = ways.secure ? 's' : ''
  const args = [
    'doctor', `ws${s}://${host}:${ways.ws}${c.path ?? '/ws/chat/'}`, '--http', `http${s}://${host}:${ways.http}`, '--json',
    ...c.origin === undefined ? [] : ['--origin', c.origin], ...c.idle === undefined ? [] : ['--idle', c.idle],
  ]
  const begin = performance.now()
  return new Promise((resolve, reject) => {
    execFile(binary, args, { timeout: 60_000, env: { ...process.env, SSL_CERT_FILE: certificates.authority } }, (_, stdout) => {
      try {
        const { verdict, findings } = JSON.parse(stdout) as { verdict: string; findings: { confidence: string }[] | null }
        resolve({ code: verdict, confidence: verdict === 'healthy' ? 'proved' : findings?.[0]?.confidence ?? '', ms: performance.now() - begin })
      } catch {
        reject(new Error(`doctor printed: ${stdout}`))
      }
    })
  })
}

// No verdict counts as a wrong one.
const silence = (error: unknown): Outcome => ({ code: `none: ${String(error).split('\n', 1)[0] ?? ''}`, confidence: 'none', ms: 0 })

type Later = (() => unknown)[]

// A server in the state that the case asks for; its address.
async function standing(c: Case, later: Later): Promise<string> {
  if (!c.server) return new URL(server.url).host
  const own = await Server.create([...c.server.flags, '--origins', new URL(server.url).origin])
  later.push(() => own.remove())
  const at = new URL(own.url).host
  if (c.server.busy === 'held' || c.server.busy === 'draining') {
    // Several to drain: they leave spread over the time, so that it does not end at once.
    for (let i = 0; i < (c.server.busy === 'held' ? 1 : 8); i++) {
      const socket = await hold(at)
      later.push(() => socket.destroy())
    }
  }
  if (c.server.busy === 'hammered') later.push(await hammer(at))
  if (c.server.busy === 'draining') own.terminate()
  return at
}

// What the case puts in front of it; the port.
async function front(c: Case, upstream: string, later: Later): Promise<string> {
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

test.each(chosen)('$name', async (c) => {
  const later: Later = []
  try {
    const upstream = await standing(c, later), at = await front(c, upstream, later)
    const direct = upstream.split(':')[1] ?? '', healthy = new URL(server.url).port
    const faulty = c.fault !== null || c.closed === true
    let page = `http://${c.from === 'localhost' ? 'localhost' : '127.0.0.1'}:${faulty && c.from === undefined ? at : healthy}`
    if (c.securePage) {
      const secure = c.tls ? at : await front({ ...c, fault: {}, tls: 'good' }, upstream, later)
      page = `https://127.0.0.1:${secure}`
    }
    const ways: Ways = {
      ws: faulty && c.through !== 'http' ? at : direct, http: faulty && c.through !== 'ws' ? at : direct, page, secure: c.tls !== undefined,
    }
    const row: Row = { c, page: await inPage(c, ways).catch(silence), doctor: await inTerminal(c, ways).catch(silence) }
    rows.push(row)
    expect({ page: row.page.code, doctor: row.doctor.code }).toEqual({ page: c.page, doctor: c.doctor })
  } finally {
    for (const undo of later.reverse()) await undo()
  }
})
