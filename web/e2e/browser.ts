import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core'
import { onTestFailed } from 'vitest'

/** Starts the distribution's Chromium; nothing is ever downloaded. */
export function launch(...more: string[]): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', ...more],
  })
}

/** One person with a browser profile of their own. */
export class Person {
  readonly page: Page
  readonly context: BrowserContext
  /** What the page wrote to its console and threw. */
  readonly lines: string[] = []
  /** When the page opened WebSockets, in milliseconds since 1970. */
  readonly sockets: number[] = []

  private constructor(context: BrowserContext, page: Page) {
    this.context = context
    this.page = page
    page.on('console', (message) => this.lines.push(message.text()))
    page.on('pageerror', (error) => this.lines.push(`thrown: ${String(error)}`))
    page.on('websocket', () => this.sockets.push(Date.now()))
  }

  /** Opens the page; its console is printed if the test fails. */
  static async open(browser: Browser, url: string, name: string, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, ...options })
    await context.addInitScript((kept) => {
      try {
        localStorage.setItem('partyline.name', localStorage.getItem('partyline.name') ?? kept)
      } catch {
        // Storage is forbidden in some tests.
      }
    }, name)
    const person = await Person.tab(context, url, name)
    await person.connected()
    return person
  }

  /** Opens another tab of the same profile, connected or not. */
  static async tab(context: BrowserContext, url: string, name = 'tab'): Promise<Person> {
    const person = new Person(context, await context.newPage())
    onTestFailed(() => { console.error(`console of ${name}:\n${person.lines.join('\n')}`) })
    await person.page.goto(url)
    return person
  }

  field(name: string) {
    return this.page.getByRole('textbox', { name, exact: true })
  }

  button(name: string | RegExp) {
    return this.page.getByRole('button', { name, exact: true })
  }

  get log() {
    return this.page.getByRole('log', { name: 'Messages' })
  }

  async connected(): Promise<void> {
    await this.page.getByRole('status', { name: 'Connection' }).getByText('Connected', { exact: true }).waitFor({ state: 'attached' })
  }

  async say(text: string): Promise<void> {
    await this.field('Message').fill(text)
    await this.button('Send').click()
  }

  /** The message with this text, in this state. */
  message(text: string | RegExp, state = 'sent') {
    return this.log.locator(`article[data-state="${state}"]`)
      .filter({ has: this.page.locator('p').filter({ hasText: text }) })
  }

  /** Waits until a message is shown in this state. */
  async sees(text: string | RegExp, state = 'sent'): Promise<void> {
    await this.message(text, state).first().waitFor()
  }

  /** Points at a message and presses one of its buttons. */
  async act(text: string | RegExp, name: string): Promise<void> {
    const message = this.message(text).last()
    await message.hover()
    await message.getByRole('button', { name, exact: true }).click()
  }

  /** The texts of the stored messages that are rendered, in order. */
  texts(): Promise<string[]> {
    return this.log.locator('article[data-state="sent"] > p[dir]').allInnerTexts()
  }
}
