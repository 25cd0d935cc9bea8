import axe from 'axe-core'
import type { BrowserContextOptions } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { Person } from './browser'
import { FakeRoom } from './load'
import { Server } from './server'
import { stage } from './setup'
import { Speaker } from './speaker'

const s = stage()

const elements = (person: Person) => person.page.evaluate(() => document.querySelectorAll('*').length)
const topRow = (person: Person) => person.log.evaluate((log) => {
  const edge = log.getBoundingClientRect().top
  for (const article of log.querySelectorAll('article[data-seq]')) {
    const { top, bottom } = article.getBoundingClientRect()
    if (bottom > edge + 30) return { seq: Number((article as HTMLElement).dataset.seq), top: Math.round(top - edge) }
  }
  return null
})

test('a long room keeps a small page, its place while reading, and its end while following', async () => {
  const room = new FakeRoom(100_000)
  const ana = await Person.visit(await s.answered((ws) => { room.attach(ws) }), s.server.url, 'ana')
  await ana.sees(/^#100000\b/)
  await ana.log.hover()
  for (let i = 0; i < 30; i++) {
    await ana.page.mouse.wheel(0, -3_000)
    await ana.page.evaluate(() => new Promise(requestAnimationFrame))
  }
  await expect.poll(async () => (await topRow(ana))?.seq ?? Infinity).toBeLessThan(99_900)
  // What arrives below, and what is loaded above, moves nothing.
  await expect.poll(async () => JSON.stringify(await topRow(ana)) === JSON.stringify(await topRow(ana))).toBe(true)
  const before = await topRow(ana)
  room.say(300)
  await ana.button('99+ new messages').waitFor()
  expect(await topRow(ana)).toEqual(before)
  expect(await elements(ana)).toBeLessThan(2_500)
  await ana.button('99+ new messages').click()
  await ana.sees(/^#100300\b/)
  for (let i = 0; i < 32; i++) room.say(100)
  await ana.sees(/^#103500\b/)
  const gap = await ana.log.evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight)
  expect(gap).toBeLessThan(2)
  expect(await elements(ana)).toBeLessThan(2_500)
})

test('older messages of a real room come while scrolling, once each and in order', async () => {
  const server = await Server.create(['--gateway-sends-per-second', '0'])
  onTestFinished(() => server.remove())
  const all = Array.from({ length: 450 }, (_, i) => `message ${String(i + 1)}`)
  const ben = await Speaker.open(s.browser, server.url, 'ben')
  await ben.say(all)
  const ana = await s.person('ana', server.url)
  await ana.sees('message 450')
  const seen = new Map<number, string>()
  let first: string | undefined
  do {
    // One step at a time, each shown before the next: a wheel that outruns the page would pass rows by.
    await ana.log.evaluate(async (log) => {
      log.scrollTop -= log.clientHeight / 2
      for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame)
    })
    const rows = await ana.log.locator('article[data-seq]').evaluateAll((articles) => articles.map((article) => (
      [Number((article as HTMLElement).dataset.seq), article.querySelector('p[dir]')?.textContent ?? ''] as const)))
    expect(rows.map(([seq]) => seq)).toEqual(rows.map(([seq]) => seq).toSorted((a, b) => a - b))
    rows.forEach(([seq, text]) => seen.set(seq, text))
    first = rows[0]?.[1]
  } while (first !== 'message 1')
  await ana.log.getByText('This is the beginning of #lobby.').waitFor()
  expect([...seen].toSorted(([a], [b]) => a - b).map(([, text]) => text)).toEqual(all)
})

const sizes: [string, BrowserContextOptions][] = [['wide', {}], ['360 px', { viewport: { width: 360, height: 720 } }]]

test.each(sizes)('axe finds nothing in light and dark: %s', async (_, options) => {
  // The policy of the page forbids axe's script; nothing else here needs it off.
  const ana = await Person.open(s.browser, s.server.url, 'ana', { ...options, bypassCSP: true })
  await ana.say('**one** `two` [three](https://three.example/) and https://four.example')
  await ana.sees(/three/)
  await ana.act(/three/, 'React')
  await ana.button('React with 🔥').click()
  await ana.button('🔥, 1').waitFor()
  await check(ana, 'chat')
  await ana.act(/three/, 'React')
  await check(ana, 'reactions')
  await ana.page.keyboard.press('Escape')
  await ana.button('Run Connection Diagnostics').click()
  await ana.page.getByRole('dialog').getByRole('list').waitFor()
  await check(ana, 'diagnostics')
  await ana.page.keyboard.press('Escape')
  if (options.viewport) {
    await ana.button('Rooms and pages').click()
    await check(ana, 'rooms')
  }
  await ana.page.goto(`${s.server.url}#/status`)
  await ana.page.getByText('Up for').waitFor()
  await check(ana, 'status')
  await ana.page.goto(`${s.server.url}#/`)
  await s.server.kill()
  await ana.page.getByText('Messages wait here').waitFor()
  await ana.say('waits')
  await ana.sees('waits', 'pending')
  await check(ana, 'banner')
})

async function check(person: Person, what: string): Promise<void> {
  await person.page.evaluate(`${axe.source}; 0`)
  for (const colorScheme of ['light', 'dark'] as const) {
    await person.page.emulateMedia({ colorScheme })
    // What stands where is the same in both: the second look is for the colours.
    const options = colorScheme === 'light' ? {} : { runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } }
    const violations = await person.page.evaluate(async (chosen) => {
      const { axe } = window as unknown as { axe: { run: (options: object) => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } }
      const { violations } = await axe.run(chosen)
      return violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)} ${failureSummary ?? ''}`) }))
    }, options)
    expect(violations, `${what}, ${colorScheme}`).toEqual([])
  }
}
