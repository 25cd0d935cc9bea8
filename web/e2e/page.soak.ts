import type { CDPSession } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Person } from './browser'
import { launch } from './launch'
import { Server } from './server'
import { Speaker } from './speaker'

// The size of everything; the figures of docs are those of the defaults.
const messages = Number(process.env.SOAK_MESSAGES ?? 100_000)
const hour = Number(process.env.SOAK_HOUR ?? 50 * 3_600)
const perSecond = 50

const batch = 1_000
const longest = 100 // milliseconds of a task
const elementsMost = 2_500
const growthMost = 1.1 // of the heap, after the first tenth of the hour

let browser: Awaited<ReturnType<typeof launch>>
beforeAll(async () => { browser = await launch('--js-flags=--expose-gc', '--enable-precise-memory-info') })
afterAll(async () => { await browser.close() })

test('a hundred thousand messages', async () => {
  const server = await Server.create(['--gateway-sends-per-second', '0'])
  onTestFinished(() => server.remove())
  const speaker = await Speaker.open(browser, server.url, 'ben')
  for (let n = 0; n < messages; n += batch) await speaker.say(numbered(n, Math.min(batch, messages - n)))
  report('stored', messages, 'messages')

  const ana = await Person.open(browser, server.url, 'ana')
  const cdp = await ana.context.newCDPSession(ana.page)
  await ana.sees(new RegExp(`^#${String(messages)}\\b`))
  report('first message shown after', await ana.page.evaluate(() => Math.round(performance.now())), 'ms, all of it')

  const chatty = await Speaker.open(browser, server.url, 'cid')
  await chatty.chatter(perSecond)
  await ana.sees(/^chatter \d+/)
  await watch(ana)
  for (const letter of 'typing while fifty messages a second come in ') {
    await ana.field('Message').press(letter)
    await ana.page.waitForTimeout(200)
  }
  await figures(ana, 'following 50 messages a second')

  await watch(ana)
  await ana.log.hover()
  const beginning = ana.log.getByText('This is the beginning of')
  const from = Date.now()
  let wheels = 0
  while (!await beginning.isVisible()) {
    for (let i = 0; i < 20; i++, wheels++) await ana.page.mouse.wheel(0, -2_500)
    await ana.page.evaluate(() => new Promise(requestAnimationFrame))
  }
  report('scrolled back', wheels, `wheels in ${String(Math.round((Date.now() - from) / 1_000))} s`)
  await ana.sees(/^#1\b/)
  await figures(ana, 'scrolling back to the first message')
  await chatty.close()

  await ana.button(/new messages$/).click()
  await ana.sees(/^chatter \d+/)
  await soak(ana, speaker, cdp)
})

async function soak(ana: Person, speaker: Speaker, cdp: CDPSession): Promise<void> {
  const heaps: number[] = []
  const step = Math.ceil(hour / 10)
  await watch(ana)
  for (let n = 0; n < hour; n += batch) {
    const count = Math.min(batch, hour - n)
    await speaker.say(numbered(messages + n, count))
    await ana.sees(new RegExp(`^#${String(messages + n + count)}\\b`))
    if (Math.floor((n + count) / step) > heaps.length) heaps.push(await heap(cdp))
  }
  report('heap after each tenth of the hour', heaps.map((size) => (size / 1e6).toFixed(1)).join(' '), 'MB')
  expect.soft(Math.max(...heaps.slice(1)), 'heap').toBeLessThan((heaps[0] ?? 0) * growthMost)
  expect.soft(await elements(ana), 'elements').toBeLessThan(elementsMost)
}

function numbered(before: number, count: number): string[] {
  const words = 'the quick brown fox jumps over the lazy dog and does not look back '
  return Array.from({ length: count }, (_, i) => {
    const n = before + i + 1
    return `#${String(n)} ${words.repeat((n * 7) % 5).slice(0, (n * 37) % 300)}`.trim()
  })
}

async function heap(cdp: CDPSession): Promise<number> {
  await cdp.send('HeapProfiler.collectGarbage')
  const { usedSize } = await cdp.send('Runtime.getHeapUsage')
  return usedSize
}

const elements = (person: Person) => person.page.evaluate(() => document.querySelectorAll('*').length)

interface Watched { tasks: number[]; inputs: number[]; frames: number; from: number }

/** Begins to measure anew. */
function watch(person: Person): Promise<void> {
  return person.page.evaluate(() => {
    const own = window as unknown as { watched?: Watched }
    const began = own.watched !== undefined
    const watched = own.watched ?? { tasks: [], inputs: [], frames: 0, from: 0 }
    Object.assign(watched, { tasks: [], inputs: [], frames: 0, from: performance.now() })
    own.watched = watched
    if (began) return
    new PerformanceObserver((list) => { watched.tasks.push(...list.getEntries().map(({ duration }) => duration)) }).observe({ type: 'longtask' })
    new PerformanceObserver((list) => { watched.inputs.push(...list.getEntries().filter(({ name }) => name === 'keydown').map(({ duration }) => duration)) })
      .observe({ type: 'event', durationThreshold: 16 } as PerformanceObserverInit)
    const frame = () => { watched.frames++; requestAnimationFrame(frame) }
    requestAnimationFrame(frame)
  })
}

async function figures(person: Person, what: string): Promise<void> {
  const { tasks, inputs, frames, from, now } = await person.page.evaluate(() => ({ ...(window as unknown as { watched: Watched }).watched, now: performance.now() }))
  const size = await elements(person)
  const worst = Math.round(Math.max(0, ...tasks))
  report(what, `${String(size)} elements, ${(frames / (now - from) * 1_000).toFixed(0)} frames/s, ${String(tasks.length)} tasks over 50 ms, the longest ${String(worst)} ms,`,
    inputs.length > 0 ? `slowest key ${String(Math.max(...inputs))} ms` : 'no key over 16 ms')
  expect.soft(size, `${what}: elements`).toBeLessThan(elementsMost)
  expect.soft(worst, `${what}: longest task in ms`).toBeLessThan(longest)
}

function report(what: string, value: number | string, unit: string): void {
  console.log(`${what}: ${String(value)} ${unit}`)
}
