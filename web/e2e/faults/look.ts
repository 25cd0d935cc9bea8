import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser } from 'playwright-core'
import type { Case } from './list'
import type { Other } from './others'
import type { Outcome } from './report'
import { tokenOf } from './tokens'

const binary = join(import.meta.dirname, '../../../bin/partyline')
const file = pathToFileURL(join(import.meta.dirname, '../../dist/websocket-diagnostics.html')).href

/** The ways of one case: where the page comes from, and the ports that are diagnosed. */
export interface Ways { page: string; ws: string; http: string; secure: boolean }

/** Lets the standalone page diagnose in Chromium. */
export async function inPage(browser: Browser, c: Case, ways: Ways): Promise<Outcome> {
  const context = await browser.newContext()
  try {
    const page = await context.newPage()
    await page.goto(c.file ? file : `${ways.page}/websocket-diagnostics.html`)
    if (c.file && c.origin !== undefined) await page.getByLabel('Origin of the page that shall connect').fill(c.origin)
    await page.getByLabel('Scheme').selectOption(ways.secure ? 'wss' : 'ws')
    await page.getByLabel('Host', { exact: true }).fill(c.host ?? '127.0.0.1')
    await page.getByLabel('WebSocket port').fill(ways.ws)
    await page.getByLabel('HTTP port').fill(ways.http)
    if (c.path !== undefined) await page.getByLabel('Chat path').fill(c.path)
    const token = c.token && tokenOf(c.token)
    if (token !== undefined) await page.getByLabel(/^Token/).fill(token)
    const begin = performance.now()
    await page.getByRole('button', { name: 'Run diagnosis' }).click()
    const verdict = page.getByRole('status', { name: 'Verdict' })
    await verdict.waitFor()
    const ms = performance.now() - begin
    if (c.stream) {
      await page.getByRole('button', { name: 'Start: Streaming' }).click()
      await page.getByText('Streaming: done.').waitFor()
    }
    return { code: await verdict.getAttribute('data-code') ?? '', confidence: await verdict.getAttribute('data-confidence') ?? '', ms }
  } finally {
    await context.close()
  }
}

const start = `
  const [ws, http, host, path] = arguments
  const set = (id, value) => { document.getElementById(id).value = value }
  set('host', host); set('wsPort', ws); set('httpPort', http)
  if (path !== '') set('chatPath', path)
  for (const b of document.querySelectorAll('button')) if (b.textContent === 'Run diagnosis') b.click()`
const look = `
  const v = document.querySelector('[role=status][aria-label=Verdict]')
  return v && [v.dataset.code, v.dataset.confidence]`

/** The same in another browser. */
export async function inOther(browser: Other, c: Case, ways: Ways): Promise<Outcome> {
  await browser.open(`${ways.page}/websocket-diagnostics.html`)
  for (let i = 0; i < 600 && await browser.run('return document.getElementById("host") === null'); i++) await new Promise((resolve) => setTimeout(resolve, 50))
  const begin = performance.now()
  await browser.run(start, ways.ws, ways.http, c.host ?? '127.0.0.1', c.path ?? '')
  while (performance.now() - begin < 30_000) {
    const said = await browser.run(look)
    if (Array.isArray(said)) return { code: String(said[0]), confidence: String(said[1]), ms: performance.now() - begin }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return { code: 'none', confidence: 'none', ms: performance.now() - begin }
}

/** Lets the terminal diagnose; authority is what it trusts besides. */
export function inTerminal(c: Case, ways: Ways, authority: string): Promise<Outcome> {
  const host = c.doctorHost ?? c.host ?? '127.0.0.1', s = ways.secure ? 's' : '', token = c.token && tokenOf(c.token)
  const args = [
    'doctor', `ws${s}://${host}:${ways.ws}${c.path ?? '/ws/chat/'}`, '--http', `http${s}://${host}:${ways.http}`, '--json',
    ...c.origin === undefined ? [] : ['--origin', c.origin], ...c.idle === undefined ? [] : ['--idle', c.idle],
    ...c.stream ? ['--stream'] : [], ...token === undefined ? [] : ['--token', token],
  ]
  const begin = performance.now()
  return new Promise((resolve, reject) => {
    execFile(binary, args, { timeout: 60_000, env: { ...process.env, SSL_CERT_FILE: authority } }, (_, stdout) => {
      try {
        const { verdict, findings } = JSON.parse(stdout) as { verdict: string; findings: { confidence: string }[] | null }
        resolve({ code: verdict, confidence: verdict === 'healthy' ? 'proved' : findings?.[0]?.confidence ?? '', ms: performance.now() - begin })
      } catch {
        reject(new Error(`doctor printed: ${stdout}`))
      }
    })
  })
}
