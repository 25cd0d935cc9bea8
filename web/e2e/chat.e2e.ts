import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest'
import { launch, Person } from './browser'
import { Server } from './server'

let browser: Browser
let server: Server

beforeAll(async () => { browser = await launch() })
afterAll(async () => { await browser.close() })
beforeEach(async () => { server = await Server.create() })
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()))
  await server.remove()
})

async function two(): Promise<[Person, Person]> {
  onTestFailed(() => { console.error(server.log.slice(-40).join('\n')) })
  return [await Person.open(browser, server.url, 'ana'), await Person.open(browser, server.url, 'ben')]
}

test('two people talk both ways, and a reload keeps what was said and the name', async () => {
  const [ana, ben] = await two()
  await ana.say('<b>hello</b>')
  await ben.sees('<b>hello</b>')
  await ben.say('hello ana')
  await ana.sees('hello ana')
  await ana.page.reload()
  await ana.sees('hello ana')
  expect(await ana.texts()).toEqual(['<b>hello</b>', 'hello ana'])
  expect(await ana.field('Your name').inputValue()).toBe('ana')
})

test('a killed server loses, doubles and reorders nothing', async () => {
  const [ana, ben] = await two()
  const all = Array.from({ length: 40 }, (_, i) => `message ${String(i)}`)
  for (const [i, text] of all.entries()) {
    await ana.say(text)
    if (i === 10) await ben.sees(text)
    if (i === 15) await server.kill()
    if (i === 30) await server.start()
  }
  await Promise.all([ana.sees('message 39'), ben.sees('message 39')])
  await ben.say('after')
  await ana.sees('after')
  await ben.sees('after')
  expect(await ana.texts()).toEqual([...all, 'after'])
  expect(await ben.texts()).toEqual([...all, 'after'])
})

test('unsent messages outlive a reload while the server is away', async () => {
  const [ana, ben] = await two()
  await server.kill()
  await ana.say('kept')
  await ana.sees('kept', 'pending')
  // The server brings the page, so the page can only come back with it.
  await ana.page.goto('about:blank')
  await server.start()
  await ana.page.goto(server.url)
  await ana.sees('kept')
  await ben.sees('kept')
  expect(await ben.texts()).toEqual(['kept'])
})
