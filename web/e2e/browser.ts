import { chromium, type Browser, type Page } from 'playwright-core'
import { onTestFailed } from 'vitest'

/** Starts the distribution's Chromium; nothing is ever downloaded. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
}

/** One person with a browser profile of their own. */
export class Person {
  readonly page: Page

  private constructor(page: Page) {
    this.page = page
  }

  /** Opens the page; its console is printed if the test fails. */
  static async open(browser: Browser, url: string, name: string): Promise<Person> {
    const context = await browser.newContext()
    const page = await context.newPage()
    const lines: string[] = []
    page.on('console', (message) => lines.push(message.text()))
    page.on('pageerror', (error) => lines.push(String(error)))
    onTestFailed(() => { console.error(`console of ${name}:\n${lines.join('\n')}`) })
    await page.goto(url)
    const person = new Person(page)
    await person.field('Your name').fill(name)
    await person.field('Your name').press('Enter')
    await person.connected()
    return person
  }

  field(name: string) {
    return this.page.getByRole('textbox', { name, exact: true })
  }

  async connected(): Promise<void> {
    await this.page.getByRole('status', { name: 'Connection' }).getByText('Connected', { exact: true }).waitFor()
  }

  async say(text: string): Promise<void> {
    await this.field('Message').fill(text)
    await this.page.getByRole('button', { name: 'Send', exact: true }).click()
  }

  /** Waits until a message is shown in this state. */
  async sees(text: string, state = 'sent'): Promise<void> {
    await this.page.getByRole('log', { name: 'Messages' }).locator(`article[data-state="${state}"]`)
      .filter({ has: this.page.getByText(text, { exact: true }) }).waitFor()
  }

  /** The texts of all stored messages shown, in order. */
  texts(): Promise<string[]> {
    return this.page.locator('article[data-state="sent"] p').allInnerTexts()
  }
}
