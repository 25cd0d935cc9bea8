import axe from 'axe-core'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { Person } from './browser'
import { answer, Proxy, type Fault } from './faults/proxy'
import { stage } from './setup'

const s = stage()
const file = pathToFileURL(join(import.meta.dirname, '../dist/websocket-diagnostics.html')).href
const strip: Fault = { request: (h) => /^upgrade:/im.test(h) ? h.replace(/^(upgrade|connection):.*\r\n/gim, '') : h }

async function through(fault: Fault): Promise<Proxy> {
  const proxy = await Proxy.start(new URL(s.server.url).host, fault)
  onTestFinished(() => { proxy.stop() })
  return proxy
}

const verdict = (page: Page) => page.getByRole('status', { name: 'Verdict' })
const code = async (page: Page) => {
  await verdict(page).waitFor()
  return verdict(page).getAttribute('data-code')
}

async function violations(page: Page): Promise<string[]> {
  await page.getByText('Asking the server …').waitFor({ state: 'detached' })
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import('axe-core') }
    const { violations } = await axe.run()
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)
  })
}

async function standalone(ports: { ws: string; http: string }, at = file): Promise<Page> {
  const page = await (await s.browser.newContext()).newPage()
  await page.goto(at)
  await page.getByLabel('Host', { exact: true }).fill('127.0.0.1')
  await page.getByLabel('WebSocket port').fill(ports.ws)
  await page.getByLabel('HTTP port').fill(ports.http)
  return page
}

const run = (page: Page) => page.getByRole('button', { name: 'Run diagnosis' }).click()

test('a chat that cannot connect offers the diagnosis, which names the cause at once', async () => {
  const proxy = await through(strip)
  const ana = await s.visitor('ana', `http://127.0.0.1:${proxy.port}/`)
  await ana.button('See why').click()
  expect(await code(ana.page)).toBe('upgrade_stripped')
  await ana.page.getByRole('button', { name: 'HAProxy' }).click()
  await ana.page.getByText('timeout tunnel 1h').waitFor()
  await ana.button('Run again').click()
  await ana.page.getByText('Nothing changed.').waitFor()
  const download = ana.page.waitForEvent('download')
  await ana.button('Download').click()
  const report = await readFile(await (await download).path(), 'utf8')
  const key = await ana.page.evaluate(() => localStorage.getItem('partyline.client') ?? '')
  expect(key).not.toBe('')
  expect(report).toContain('"code": "upgrade_stripped"')
  expect(report).not.toContain(key)
})

test('a chat that works is found healthy, and shows trace, statistics and attempts', async () => {
  const ana = await s.person('ana')
  const loaded = await ana.page.evaluate(() => performance.getEntriesByType('resource').map((r) => r.name))
  expect(loaded.filter((name) => name.includes('Diagnostics-'))).toEqual([])
  await ana.button('Run Connection Diagnostics').click()
  expect(await code(ana.page)).toBe('healthy')
  expect(await ana.page.locator('.pd-steps [data-state="ok"]').count()).toBe(8)
  await ana.page.getByRole('img', { name: /^Timeline of .*Browser: connect .*Server: accept/ }).waitFor()
  const own = ana.page.getByRole('list', { name: /^Attempts/ })
  await own.locator('summary').first().click()
  await own.getByRole('cell', { name: 'upgraded' }).waitFor()
  await ana.page.getByRole('button', { name: 'Start: Resume' }).click()
  await ana.page.getByText(/in order and without a hole/).waitFor()
  await ana.page.getByRole('button', { name: 'Start: Quiet connections' }).click()
  await ana.page.getByText(/Quiet connections: .* left/).waitFor()
  await ana.page.getByRole('button', { name: 'Cancel: Quiet connections' }).click()
  await ana.page.getByText('Cancelled.').waitFor()
  await ana.page.keyboard.press('Escape')
  await ana.connected()
})

test('the report is copied, the share code is known to the server, a run is cancelled, and a repair is compared', async () => {
  let fault: Fault = strip
  const proxy = await through({ request: (h) => fault.request?.(h) ?? h })
  const context = await s.browser.newContext()
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const page = await context.newPage()
  await page.goto(`http://127.0.0.1:${proxy.port}/websocket-diagnostics.html`)
  const copied = async (button: string) => {
    await page.getByRole('button', { name: button, exact: true }).click()
    await page.getByRole('status', { name: 'Progress' }).getByText('Copied.').waitFor()
    return page.evaluate(() => navigator.clipboard.readText())
  }
  await run(page)
  expect(await code(page)).toBe('upgrade_stripped')
  const trace = await copied('Copy code')
  const record = await fetch(new URL(`/api/v1/diagnostics/trace/${trace}`, s.server.url))
  expect(await record.json()).toMatchObject({ trace, complete: true })
  expect(JSON.parse(await copied('Copy report'))).toMatchObject({ format: 'partyline-diagnosis/1', trace, verdict: { code: 'upgrade_stripped' } })
  expect(await copied('Copy the fix')).toContain('proxy_set_header Upgrade $http_upgrade;')

  // Compact says what to do, detailed says how it was found out.
  const details = [page.getByRole('heading', { name: 'Environment' }), page.getByText('The server recorded this attempt').nth(1)]
  for (const detail of details) expect(await detail.count()).toBe(0)
  await page.getByRole('button', { name: 'Detailed' }).click()
  for (const detail of details) await detail.waitFor()
  await page.getByRole('button', { name: 'Compact' }).click()
  await details[0]?.waitFor({ state: 'detached' })

  fault = { request: (h) => /^upgrade:/im.test(h) ? { end: 'hang' } : h }
  await page.getByRole('button', { name: 'Run again' }).click()
  await page.getByText(/Opening the WebSocket/).waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('Cancelled.').waitFor()
  expect(await code(page)).toBe('incomplete')

  // A cancelled run is none to compare with.
  fault = {}
  await page.getByRole('button', { name: 'Run again' }).click()
  const changes = page.getByRole('region', { name: 'Differences' })
  await changes.getByText('The connection works.').waitFor()
  await changes.getByRole('row', { name: /Finding.*removes the Upgrade header.*gone/ }).waitFor()
})

test('the other long tests have buttons of their own', async () => {
  const page = await standalone({ ws: new URL(s.server.url).port, http: new URL(s.server.url).port }, new URL('/websocket-diagnostics.html', s.server.url).href)
  await run(page)
  expect(await code(page)).toBe('healthy')
  for (const [name, found] of [['Streaming', /5 pieces over/], ['Several connections', '5 of 5 opened'], ['Ports and schemes', /ws:\/\/127\.0\.0\.1:\d+: works/]] as const) {
    await page.getByRole('button', { name: `Start: ${name}` }).click()
    await page.getByText(found).first().waitFor()
    await page.getByText(`${name}: done.`).waitFor()
  }
  await page.getByRole('button', { name: 'Start: Life of a connection' }).click()
  await page.getByText(/Life of a connection: (5:00|4:59) min left/).waitFor()
  expect(await page.getByRole('button', { name: 'Run again' }).isDisabled()).toBe(true)
  await page.getByRole('button', { name: 'Cancel: Life of a connection' }).click()
  await page.getByText('Cancelled.').waitFor()
  expect(await code(page)).toBe('healthy')
})

test.each<[string, BrowserContextOptions]>([
  ['light', {}], ['dark', { colorScheme: 'dark' }], ['a phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
])('axe finds nothing in %s', async (_, options) => {
  const proxy = await through(strip)
  const ana = await Person.tab(await s.browser.newContext(options), `http://127.0.0.1:${proxy.port}/`)
  await ana.button('Run Connection Diagnostics').click()
  await code(ana.page)
  await ana.page.getByRole('button', { name: 'Detailed' }).click()
  expect(await violations(ana.page)).toEqual([])
  expect(await ana.page.locator('dialog').evaluate((d) => d.scrollWidth - d.clientWidth)).toBe(0)
})

test('the file, opened from disk, judges a running, a misrouted and a stopped server', async () => {
  const port = new URL(s.server.url).port
  const running = await standalone({ ws: port, http: port })
  const origin = running.getByLabel('Origin of the page that shall connect')
  await origin.fill('https://elsewhere.test')
  await run(running)
  expect(await code(running)).toBe('origin_refused')
  await origin.fill(`http://127.0.0.1:${port}`)
  await running.getByRole('button', { name: 'Run again' }).click()
  await expect.poll(() => code(running)).toBe('healthy')
  await running.getByText('Settings for nginx, Caddy').click()
  expect(await violations(running)).toEqual([])
  const misrouted = await through({ request: (h) => / \/ws\//.test(h.split('\r\n', 1)[0] ?? '') ? answer('200 OK', 'text/html', '<!doctype html>app') : h })
  const page = await standalone({ ws: misrouted.port, http: misrouted.port })
  await page.getByLabel('Origin of the page that shall connect').fill(`http://127.0.0.1:${misrouted.port}`)
  await run(page)
  // A page of another origin cannot read what a foreign server answers.
  expect(await code(page)).toBe('route_unreachable')
  await s.server.kill()
  await page.getByLabel('WebSocket port').fill(port)
  await page.getByLabel('HTTP port').fill(port)
  await page.getByRole('button', { name: 'Run again' }).click()
  await expect.poll(() => code(page)).toBe('server_unreachable')
})

test('nothing starts from an address, and no token of the administration is used', async () => {
  const asked: string[] = []
  const context = await s.browser.newContext()
  const page = await context.newPage()
  await page.goto(s.server.url)
  await page.evaluate(() => { sessionStorage.setItem('partyline.admin', 'secret-of-the-administration') })
  context.on('request', (request) => { asked.push(`${request.url()} ${JSON.stringify(request.headers())} ${request.postData() ?? ''}`) })
  const at = new URL('/websocket-diagnostics.html?host=evil.test&wsPort=1&run=1&autostart#host=evil.test&run', s.server.url).href
  await page.goto(at)
  expect(await page.getByLabel('Host', { exact: true }).inputValue()).toBe('127.0.0.1')
  expect(asked).toHaveLength(1)
  await run(page)
  await code(page)
  await page.getByText('Asking the server …').waitFor({ state: 'detached' })
  expect(asked.length).toBeGreaterThan(3)
  expect(asked.filter((text) => /secret-of|authorization/i.test(text) || text.includes('evil.test') && !text.startsWith(at.split('#')[0] ?? ''))).toEqual([])
})

test('hostile words in the form are refused in words', async () => {
  const page = await standalone({ ws: '8001', http: '8000' })
  const hostile: [string, string][] = [
    ['Host', 'evil.test/@127.0.0.1'], ['Host', 'a b'], ['Host', '"><img src=x>'], ['Host', 'x'.repeat(400)], ['Host', 'user:pass@host'], ['Host', '‮moc.live'],
    ['WebSocket port', '0'], ['WebSocket port', '65536'], ['WebSocket port', '80/../'], ['HTTP port', '1e3'], ['HTTP port', '٨٠'],
    ['Chat path', 'ws'], ['Chat path', '/ws?token=1'], ['Chat path', '/ws#x'], ['Chat path', '/\r\nHost: x'], ['Echo path', '/<script>'],
    ['Origin of the page that shall connect', 'javascript:alert(1)'], ['Origin of the page that shall connect', 'https://a.test/path'],
  ]
  for (const [label, value] of hostile) {
    const field = page.getByLabel(label, { exact: true })
    const before = await field.inputValue()
    await field.fill(value)
    await run(page)
    await page.getByText('Correct the settings first.').waitFor()
    expect([value, await page.getByRole('alert').innerText()]).toEqual([value, expect.stringContaining(label)])
    await field.fill(before)
  }
  expect(await page.locator('img').count()).toBe(0)
})

test('a server that floods, hangs and sends markup is survived and named', async () => {
  const evil = '<img src=x onerror="document.title=1"><b>\u202e'
  const flood = createServer((request, response) => {
    response.on('error', () => undefined)
    response.setHeader('Access-Control-Allow-Origin', '*')
    response.setHeader('Server', '<b>nginx</b>')
    if (request.url?.startsWith('/chat/status')) { // a body without end
      response.setHeader('Content-Type', 'text/html')
      const pour = () => { while (!response.destroyed && response.write('x'.repeat(65_536))); }
      response.on('drain', pour)
      pour()
    } else if (request.url?.includes('security')) {
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify({ findings: Array.from({ length: 500 }, () => ({ code: evil, severity: evil, title: evil, advice: evil })) }))
    } else if (request.url?.startsWith('/ws/')) {
      response.statusCode = 403
      response.setHeader('Content-Type', 'application/problem+json')
      response.end(JSON.stringify({ type: 'about:blank', status: 403, code: 'forbidden', title: evil, detail: evil }))
    } else response.write('{') // and never ends
  })
  await new Promise<void>((resolve) => flood.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => { flood.closeAllConnections(); flood.close() })
  const port = String((flood.address() as AddressInfo).port)
  const page = await standalone({ ws: port, http: port }, new URL('/websocket-diagnostics.html', s.server.url).href)
  await run(page)
  expect(await code(page)).not.toBe('healthy')
  await page.getByRole('button', { name: 'Detailed' }).click()
  expect(await page.locator('.pd img, .pd b, .pd script').count()).toBe(0)
  expect(await page.title()).toContain('WebSocket diagnostics')
  expect(await page.locator('.pd').first().innerText()).not.toContain('\u202e')
  expect(await page.locator('.pd-finding').count()).toBeLessThan(60)
})

test('an attempt that never reached the server is reported after the next success, if the person agrees', async () => {
  let broken = false
  const proxy = await through({ request: (h) => broken && /^upgrade:/im.test(h) ? { end: 'reset' } : h, fromClient: () => broken ? 'reset' : 'pass' })
  const ana = await s.person('ana', `http://127.0.0.1:${proxy.port}/`)
  broken = true
  await ana.say('cuts')
  await ana.button('See why').waitFor()
  broken = false
  await ana.connected()
  await ana.page.getByText(/failed lately/).waitFor()
  const answered = ana.page.waitForResponse((r) => r.url().endsWith('/api/v1/diagnostics/reports'))
  await ana.button('Report them').click()
  const response = await answered
  expect([response.status(), await response.json()]).toEqual([202, { trace: expect.any(String) as string, verified: true }])
  await ana.page.getByText(/failed lately/).waitFor({ state: 'detached' })
})
