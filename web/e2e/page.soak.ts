import { loadavg } from 'node:os'
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
const longest = 100 // milliseconds of the processor in one task
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

  const ana = await open(server.url)
  const cdp = await ana.context.newCDPSession(ana.page)
  await ana.sees(new RegExp(`^#${String(messages)}\\b`))
  await firstMessage(ana)

  const chatty = await Speaker.open(browser, server.url, 'cid')
  await chatty.chatter(perSecond)
  await ana.sees(/^chatter \d+/)
  await watch(ana)
  await ana.field('Message').focus()
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

/** Opens the page, which notes when the first message was painted. */
async function open(url: string): Promise<Person> {
  const context = await Person.profile(browser, 'ana')
  await context.addInitScript(() => {
    const seen = new MutationObserver(() => {
      if (!document.querySelector('article[data-seq]')) return
      seen.disconnect()
      requestAnimationFrame(() => setTimeout(() => { document.documentElement.dataset.shown = String(Math.round(performance.now())) }))
    })
    seen.observe(document, { subtree: true, childList: true })
  })
  const ana = await Person.visit(context, url, 'ana')
  await ana.connected()
  return ana
}

async function firstMessage(ana: Person): Promise<void> {
  const shown = async () => {
    await ana.page.locator('html[data-shown]').waitFor({ state: 'attached' })
    return Number(await ana.page.locator('html').getAttribute('data-shown'))
  }
  const first = await shown()
  const again: number[] = []
  while (again.length < 9) {
    await ana.page.reload()
    again.push(await shown())
  }
  report('first message painted after', first, `ms with a new profile, ${String(again.toSorted((a, b) => a - b)[4])} ms by the median of nine reloads`)
}

async function soak(ana: Person, speaker: Speaker, cdp: CDPSession): Promise<void> {
  const heaps: number[] = []
  const step = Math.ceil(hour / 10)
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
async function watch(person: Person): Promise<void> {
  await person.page.evaluate(() => {
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
  await browser.startTracing(person.page, { categories: ['toplevel', 'blink.user_timing'] })
  await person.page.evaluate(() => performance.mark('soak'))
}

interface Traced { name: string; ph: string; pid: number; tid: number; dur?: number; tdur?: number }

/** The milliseconds that the processor worked on each task of the page's main thread. */
async function tasksOf(): Promise<number[]> {
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: Traced[] }
  const mark = traceEvents.find(({ name }) => name === 'soak')
  const tasks = traceEvents.filter(({ name, ph, pid, tid }) => ph === 'X' && name.endsWith('RunTask') && pid === mark?.pid && tid === mark.tid)
  expect(tasks.length, 'traced tasks').toBeGreaterThan(100)
  return tasks.map(({ tdur = 0 }) => tdur / 1_000)
}

async function figures(person: Person, what: string): Promise<void> {
  const { tasks, inputs, frames, from, now } = await person.page.evaluate(() => ({ ...(window as unknown as { watched: Watched }).watched, now: performance.now() }))
  const size = await elements(person)
  const worked = Math.max(...await tasksOf())
  report(what, `${String(size)} elements, ${(frames / (now - from) * 1_000).toFixed(0)} frames/s, longest task ${worked.toFixed(0)} ms of the processor,`,
    `${String(Math.round(Math.max(0, ...tasks)))} ms by the clock, ${String(tasks.length)} over 50 ms by the clock; load ${(loadavg()[0] ?? 0).toFixed(1)}`)
  if (inputs.length > 0) report(`keys, ${what}`, inputs.length, `over 16 ms, median ${String(inputs.toSorted((a, b) => a - b)[inputs.length >> 1])} ms, slowest ${String(Math.max(...inputs))} ms`)
  expect.soft(size, `${what}: elements`).toBeLessThan(elementsMost)
  expect.soft(worked, `${what}: longest task in ms of the processor`).toBeLessThan(longest)
}

function report(what: string, value: number | string, unit: string): void {
  console.log(`${what}: ${String(value)} ${unit}`)
}
