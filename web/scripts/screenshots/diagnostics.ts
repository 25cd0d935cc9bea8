import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { cases } from '../../e2e/faults/list'
import { Proxy } from '../../e2e/faults/proxy'

const folder = join(import.meta.dirname, '../../../docs/images')

interface Picture {
  name: string
  options: BrowserContextOptions
  /** The fault that stands between; none: the server itself. */
  fault?: string
  detailed?: boolean
  standalone?: boolean
}

const desktop = { viewport: { width: 1280, height: 900 } }
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }

const pictures: Picture[] = [
  { name: 'diagnostics-compact', options: desktop, fault: 'proxy without upgrade headers' },
  { name: 'diagnostics-detailed', options: { viewport: { width: 1280, height: 2300 } }, detailed: true },
  { name: 'diagnostics-dark', options: { ...desktop, colorScheme: 'dark' }, fault: '101 swallowed' },
  { name: 'diagnostics-phone', options: phone, fault: 'proxy without upgrade headers' },
  { name: 'diagnostics-standalone', options: desktop, standalone: true },
]

/** Takes the pictures of the diagnosis for the documentation. base is the address of a running server. */
export async function diagnosticsScreenshots(browser: Browser, base: string): Promise<void> {
  for (const picture of pictures) await take(browser, base, picture)
}

async function take(browser: Browser, base: string, { name, options, fault, detailed, standalone }: Picture): Promise<void> {
  const between = fault === undefined ? null : await Proxy.start(new URL(base).host, cases.find((c) => c.name === fault)?.fault ?? {})
  const context = await browser.newContext({ reducedMotion: 'reduce', locale: 'en-GB', ...options })
  try {
    const page = await context.newPage()
    const at = between ? `http://127.0.0.1:${between.port}/` : base
    await page.goto(standalone ? new URL('/websocket-diagnostics.html', at).href : at)
    await page.getByRole('button', { name: standalone ? 'Run diagnosis' : 'Run Connection Diagnostics', exact: true }).first().click()
    await page.getByRole('status', { name: 'Verdict' }).waitFor()
    if (detailed) await page.getByRole('button', { name: 'Detailed' }).click()
    await settled(page)
    await page.screenshot({ path: join(folder, `${name}.png`) })
  } finally {
    await context.close()
    between?.stop()
  }
}

// The statistics come after the verdict.
async function settled(page: Page): Promise<void> {
  await page.getByText('Asking the server …').waitFor({ state: 'detached' })
}
