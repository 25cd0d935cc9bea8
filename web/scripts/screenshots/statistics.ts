import { join } from 'node:path'
import type { Browser, BrowserContextOptions } from 'playwright-core'
import { serverWithAttempts } from '../../e2e/attempts'

const folder = join(import.meta.dirname, '../../../docs/images')

const desktop = { viewport: { width: 1280, height: 900 } }
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }

interface Picture { name: string; path: string; options: BrowserContextOptions; opens?: 'row' | 'answer' }

const pictures: Picture[] = [
  { name: 'statistics', path: 'statistics?since=1h', options: { viewport: { width: 1280, height: 2100 } } },
  { name: 'statistics-dark', path: 'statistics?since=1h', options: { ...desktop, colorScheme: 'dark' } },
  { name: 'statistics-phone', path: 'statistics?since=1h', options: phone },
  { name: 'attempts', path: 'attempts?since=1h', options: desktop, opens: 'row' },
  { name: 'sql', path: 'sql', options: desktop, opens: 'answer' },
]

/** Takes the pictures of the statistics for the documentation, with a server of its own that has counted some attempts. */
export async function statisticsScreenshots(browser: Browser): Promise<void> {
  const token = 'statistics-of-the-pictures-0123456789'
  const server = await serverWithAttempts(token)
  try {
    for (const picture of pictures) await take(browser, server.url, token, picture)
  } finally {
    await server.remove()
  }
}

async function take(browser: Browser, base: string, token: string, { name, path, options, opens }: Picture): Promise<void> {
  const context = await browser.newContext({ reducedMotion: 'reduce', locale: 'en-GB', ...options })
  try {
    await context.addInitScript((value) => { sessionStorage.setItem('partyline.admin', value) }, token)
    const page = await context.newPage()
    await page.goto(new URL(`#/${path}`, base).href)
    if (opens === 'row') {
      await page.getByRole('table').getByRole('button').first().click()
      await page.getByRole('table').getByRole('listitem').first().waitFor()
    } else if (opens === 'answer') {
      await page.getByRole('button', { name: 'Run', exact: true }).click()
      await page.getByRole('region', { name: 'Answer', exact: true }).locator('tbody td').first().waitFor()
    } else {
      await page.locator('figure canvas').first().waitFor()
      await page.getByText('Usual culprits').first().waitFor()
    }
    await page.screenshot({ path: join(folder, `${name}.png`) })
  } finally {
    await context.close()
  }
}
