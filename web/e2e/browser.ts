import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { expect, onTestFailed } from 'vitest'

const viewport = { width: 1200, height: 800 }

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

  /** A new profile of somebody who has chosen a name. */
  static async profile(browser: Browser, name: string, options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await browser.newContext({ viewport, ...options })
    await context.addInitScript((kept) => {
      try {
        localStorage.setItem('partyline.name', localStorage.getItem('partyline.name') ?? kept)
      } catch {
        // Storage is forbidden in some tests.
      }
    }, name)
    return context
  }

  /** Opens the page with a new profile. */
  static async open(browser: Browser, url: string, name: string, options: BrowserContextOptions = {}): Promise<Person> {
    const person = await Person.visit(await Person.profile(browser, name, options), url, name)
    await person.connected()
    return person
  }

  /** Opens another tab of the same profile, connected or not. */
  static async tab(context: BrowserContext, url: string, name = 'tab'): Promise<Person> {
    return Person.show(context, await context.newPage(), url, name)
  }

  /** Goes to the page in the tab that is open, if there is one: that costs a tenth of a new one. */
  static async visit(context: BrowserContext, url: string, name: string): Promise<Person> {
    const [page = await context.newPage()] = context.pages()
    return Person.show(context, page, url, name)
  }

  /** Its console is printed if the test fails. */
  private static async show(context: BrowserContext, page: Page, url: string, name: string): Promise<Person> {
    const person = new Person(context, page)
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

  /** Tells the page that the network is back: it looks at its connection at once. */
  async wake(): Promise<void> {
    await this.page.evaluate(() => { window.dispatchEvent(new Event('online')) })
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

  /** Makes a profile as it was at first, for the next test; it keeps one tab. */
  static async tidy(context: BrowserContext): Promise<void> {
    const [page, ...others] = context.pages()
    await context.unrouteAll({ behavior: 'ignoreErrors' })
    await Promise.all([context.setOffline(false), ...others.map((other) => other.close())])
    for (const event of ['console', 'pageerror', 'websocket']) page?.removeAllListeners(event)
    await page?.setViewportSize(viewport)
    await page?.emulateMedia({ colorScheme: null })
  }

  /** Waits until what has the focus contains this text. */
  async focused(text: string): Promise<void> {
    await expect.poll(() => this.page.evaluate(() => document.activeElement?.textContent)).toContain(text)
  }

  /** The texts of the stored messages that are rendered, in order. */
  texts(): Promise<string[]> {
    return this.log.locator('article[data-state="sent"] > p[dir]').allInnerTexts()
  }
}
