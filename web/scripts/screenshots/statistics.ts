import { join } from 'node:path'
import type { Browser, BrowserContextOptions } from 'playwright-core'

const folder = join(import.meta.dirname, '../../../docs/images')

const desktop = { viewport: { width: 1280, height: 900 } }
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }

const pictures: { name: string; path: string; options: BrowserContextOptions; opens?: boolean }[] = [
  { name: 'statistics', path: 'statistics?since=1h', options: { viewport: { width: 1280, height: 2100 } } },
  { name: 'statistics-dark', path: 'statistics?since=1h', options: { ...desktop, colorScheme: 'dark' } },
  { name: 'statistics-phone', path: 'statistics?since=1h', options: phone },
  { name: 'attempts', path: 'attempts?since=1h', options: desktop, opens: true },
]

/**
 * Takes the pictures of the statistics for the documentation.
 *
 * @param base the address of a running server that has counted some attempts
 * @param token its admin token, without which the attempts are not shown
 */
export async function statisticsScreenshots(browser: Browser, base: string, token = process.env.PARTYLINE_ADMIN_TOKEN ?? ''): Promise<void> {
  for (const { name, path, options, opens } of pictures) {
    const context = await browser.newContext({ reducedMotion: 'reduce', locale: 'en-GB', ...options })
    try {
      await context.addInitScript((value) => { sessionStorage.setItem('partyline.admin', value) }, token)
      const page = await context.newPage()
      await page.goto(new URL(`#/${path}`, base).href)
      if (opens) {
        await page.getByRole('table').getByRole('button').first().click()
        await page.getByRole('table').getByRole('listitem').first().waitFor()
      } else {
        await page.locator('figure canvas').first().waitFor()
        await page.getByText('Usual culprits').first().waitFor()
      }
      await page.screenshot({ path: join(folder, `${name}.png`) })
    } finally {
      await context.close()
    }
  }
}
