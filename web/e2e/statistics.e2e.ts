import axe from 'axe-core'
import { readFile } from 'node:fs/promises'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { serverWithAttempts } from './attempts'
import { launch } from './launch'
import { Server } from './server'

const token = 'statistics-of-the-browser-test-0123456789'
let browser: Browser
let server: Server

// One server for all tests: starting the database is what takes time.
beforeAll(async () => {
  [browser, server] = await Promise.all([launch(), serverWithAttempts(token)])
}, 180_000)

afterAll(async () => {
  await browser.close()
  await server.remove()
})

/** Opens a page as an admin, with a browser whose own connection never arrives. */
async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, acceptDownloads: true, ...options })
  onTestFinished(() => context.close())
  await context.routeWebSocket(/.*/, () => undefined)
  await context.addInitScript((value) => { sessionStorage.setItem('partyline.admin', value) }, token)
  const page = await context.newPage()
  await page.goto(`${server.url}#/${path}`)
  return page
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import('axe-core') }
    const { violations } = await axe.run()
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)
  })
}

const region = (page: Page, name: string) => page.getByRole('region', { name, exact: true })
const rows = async (page: Page, name: string) =>
  (await region(page, name).locator('tbody tr').all()).reduce<Promise<string[][]>>(async (list, row) => [...await list, await row.locator('td').allInnerTexts()], Promise.resolve([]))

test('the statistics are those of the attempts that were made', async () => {
  const page = await open('statistics?since=1h')
  const totals = page.locator('dl[aria-label="Totals"] div')
  await totals.first().waitFor()
  expect((await page.getByRole('main').boundingBox())?.width).toBeGreaterThan(900)
  expect(Object.fromEntries((await totals.allInnerTexts()).map((text) => text.split('\n')))).toMatchObject({ Attempts: '12', 'Success rate': '41.7 %', Refused: '7', Closed: '5' })
  expect((await rows(page, 'Top errors')).map(([error, , , count]) => [error, count])).toEqual([['upgrade_required', '4'], ['origin_refused', '3']])
  expect((await rows(page, 'Close codes')).map(([code, , , count]) => [code, count])).toEqual([['1006', '5']])
  expect((await rows(page, 'How far attempts come')).map(([stage, , passed]) => [stage, passed]).slice(0, 6)).toEqual([
    ['accept', '12'], ['request', '8'], ['origin', '5'], ['auth', '5'], ['limits', '5'], ['upgraded', '5']])
  expect((await rows(page, 'By path')).map(([path, attempts]) => [path, attempts])).toEqual([['/ws/chat/', '12']])
  await page.getByText('As a table').first().click()
  const points = await region(page, 'Attempts over time').locator('tbody tr').allInnerTexts()
  expect(points.map((line) => line.split('\t').slice(1).map(Number)).reduce(([s = 0, r = 0], [a = 0, b = 0]) => [s + a, r + b], [0, 0])).toEqual([5, 7])
  expect(await rows(page, 'Usual culprits')).toHaveLength(4)
  // A filter is in the address, and a reload keeps it.
  await page.getByRole('combobox', { name: /^Path/ }).selectOption('/ws/chat/')
  await page.waitForURL(/path=%2Fws%2Fchat%2F/)
  await page.reload()
  await totals.first().waitFor()
  expect(await page.getByRole('combobox', { name: /^Path/ }).inputValue()).toBe('/ws/chat/')
  await page.goto(`${server.url}#/statistics?path=/nowhere`)
  await page.getByText('No attempt to connect in this time.').waitFor()
})

test('an attempt opens its stages, and filters find it', async () => {
  const page = await open('attempts?since=1h')
  const table = page.getByRole('table')
  await table.waitFor()
  expect(await table.locator('tbody tr').count()).toBe(12)
  await page.getByLabel('Outcome').selectOption('refused')
  await table.locator('tbody tr').nth(7).waitFor({ state: 'detached' })
  expect(await table.locator('tbody tr').count()).toBe(7)
  const row = table.locator('tbody tr').filter({ hasText: 'origin_refused' })
  expect(await row.count()).toBe(3)
  await row.first().getByRole('button').click()
  const stages = table.getByRole('list').getByRole('listitem')
  await stages.first().waitFor()
  const told = await stages.allInnerTexts()
  expect(told.map((text) => text.split('\n')[0])).toEqual(['accept', 'request', 'origin', 'closed'])
  expect(told[2]).toMatch(/refused.*origin_refused/s)
})

test('SQL answers with the same numbers, and a download runs nothing', async () => {
  const page = await open('sql')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  const cells = region(page, 'Answer').locator('tbody td')
  await cells.first().waitFor()
  expect((await cells.allInnerTexts())[0]).toBe('12')
  await page.getByRole('textbox', { name: 'SQL' }).fill(`SELECT '=1+1' AS cell, count() AS n FROM connections WHERE outcome = 'refused'`)
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await region(page, 'Answer').getByText('=1+1').waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as CSV' }).click()])
  expect(await readFile(await download.path(), 'utf8')).toBe(`cell,n\r\n"'=1+1",7\r\n`)
})

test.each([
  ['light', { colorScheme: 'light' }],
  ['phone', { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }],
] satisfies [string, BrowserContextOptions][])('axe finds nothing on the pages: %s', async (_, options) => {
  const page = await open('statistics?since=1h', options)
  await page.getByText('Usual culprits').first().waitFor()
  expect(await violations(page)).toEqual([])
  await page.goto(`${server.url}#/attempts?since=1h`)
  await page.getByRole('table').getByRole('button').first().click()
  await page.getByRole('table').getByRole('listitem').first().waitFor()
  expect(await violations(page)).toEqual([])
  await page.goto(`${server.url}#/sql`)
  await page.getByRole('textbox', { name: 'SQL' }).waitFor()
  expect(await violations(page)).toEqual([])
})

test('without statistics the pages say so', async () => {
  const none = await Server.create([], { PARTYLINE_ADMIN_TOKEN: token })
  onTestFinished(() => none.remove())
  const page = await open('statistics')
  await page.goto(`${none.url}#/statistics`)
  await page.getByText('This server keeps no statistics.').waitFor()
  await page.goto(`${none.url}#/attempts`)
  await page.getByText('This server keeps no statistics.').waitFor()
})
