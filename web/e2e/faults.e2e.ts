import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch } from './browser'
import { cases, everyday, type Case } from './faults/list'
import { Proxy } from './faults/proxy'
import { Server } from './server'

const binary = join(import.meta.dirname, '../../bin/partyline')
const whole = process.env.FAULTLAB === '1'

let browser: Browser
let server: Server

beforeAll(async () => {
  browser = await launch()
  server = await Server.create()
})
afterAll(async () => {
  await browser.close()
  await server.remove()
  if (whole) await writeFile(join(import.meta.dirname, '../../docs/diagnosis.md'), table())
})

interface Outcome { code: string; confidence: string; ms: number }
const rows: { c: Case; page: Outcome; doctor: Outcome }[] = []

async function inPage(c: Case, ports: { page: string; ws: string; http: string }): Promise<Outcome> {
  const context = await browser.newContext()
  try {
    const page = await context.newPage()
    await page.goto(`http://${c.from === 'localhost' ? 'localhost' : '127.0.0.1'}:${ports.page}/websocket-diagnostics.html`)
    await page.getByLabel('Host', { exact: true }).fill('127.0.0.1')
    await page.getByLabel('WebSocket port').fill(ports.ws)
    await page.getByLabel('HTTP port').fill(ports.http)
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

function inTerminal(c: Case, ports: { ws: string; http: string }): Promise<Outcome> {
  const args = ['doctor', `ws://127.0.0.1:${ports.ws}/ws/chat/`, '--http', `http://127.0.0.1:${ports.http}`, '--json', ...c.origin === undefined ? [] : ['--origin', c.origin]]
  const begin = performance.now()
  return new Promise((resolve, reject) => {
    execFile(binary, args, { timeout: 60_000 }, (_, stdout) => {
      try {
        const { verdict, findings } = JSON.parse(stdout) as { verdict: string; findings: { confidence: string }[] | null }
        resolve({ code: verdict, confidence: verdict === 'healthy' ? 'proved' : findings?.[0]?.confidence ?? '', ms: performance.now() - begin })
      } catch {
        reject(new Error(`doctor printed: ${stdout}`))
      }
    })
  })
}

test.each(cases.filter((c) => whole || everyday.has(c.name)))('$name', async (c) => {
  const upstream = new URL(server.url).host
  const proxy = await Proxy.start(upstream, c.fault ?? {})
  const direct = new URL(server.url).port
  const at = proxy.port
  if (c.closed) proxy.stop()
  const faulty = c.fault !== null || c.closed === true
  const ports = {
    ws: faulty && c.through !== 'http' ? at : direct, http: faulty && c.through !== 'ws' ? at : direct,
    page: faulty && c.from === undefined ? at : direct,
  }
  try {
    const [page, doctor] = [await inPage(c, ports), await inTerminal(c, ports)]
    rows.push({ c, page, doctor })
    expect({ page: page.code, doctor: doctor.code }).toEqual({ page: c.page, doctor: c.doctor })
  } finally {
    proxy.stop()
  }
})

function table(): string {
  const right = (o: Outcome, want: string) => o.code === want
  const wrong = (o: Outcome, want: string) => !right(o, want) && o.confidence !== 'unknown'
  const rate = (count: number) => `${String(count)} of ${String(rows.length)} (${(100 * count / Math.max(rows.length, 1)).toFixed(1)} %)`
  const lines = rows.map(({ c, page, doctor }) =>
    `| ${c.name} | ${page.code} | ${page.confidence} | ${right(page, c.page) ? 'yes' : `no, expected ${c.page}`} | ${(page.ms / 1000).toFixed(1)} s | ${doctor.code} | ${doctor.confidence} | ${right(doctor, c.doctor) ? 'yes' : `no, expected ${c.doctor}`} |`)
  return `# How well the diagnosis names causes

Written by \`make faultlab\`: each fault is put between a real Chromium and a real server by a
small proxy on the same machine, and the standalone page and \`partyline doctor\` have to name
it. What is expected is fixed beforehand in \`web/e2e/faults/list.ts\`: for the page the finest
class that a browser can tell apart, for the terminal the exact fault.

| | page | doctor |
|---|---|---|
| named-cause rate | ${rate(rows.filter((r) => right(r.page, r.c.page)).length)} | ${rate(rows.filter((r) => right(r.doctor, r.c.doctor)).length)} |
| false-cause rate (wrong, and not "unknown") | ${rate(rows.filter((r) => wrong(r.page, r.c.page)).length)} | ${rate(rows.filter((r) => wrong(r.doctor, r.c.doctor)).length)} |

| fault | page says | confidence | right | verdict after | doctor says | confidence | right |
|---|---|---|---|---|---|---|---|
${lines.join('\n')}
`
}
