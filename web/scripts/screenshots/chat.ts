import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { Speaker } from '../../e2e/speaker'

const folder = join(import.meta.dirname, '../../../docs/images')

const desktop = { viewport: { width: 1280, height: 800 } }
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, hasTouch: true, isMobile: true }

type Take = (browser: Browser, base: string) => Promise<void>

/** Takes a picture of the chat for the documentation. base is the address of a running server, best a new one. */
export const light: Take = picture('chat-light', desktop, answer)
export const dark: Take = picture('chat-dark', { ...desktop, colorScheme: 'dark' }, answer)
export const onPhone: Take = picture('chat-phone', phone, answer)
export const offline: Take = picture('chat-offline', desktop, goOffline)

function picture(name: string, options: BrowserContextOptions, prepare: (page: Page, crowd: Crowd) => Promise<void>): Take {
  return async (browser, base) => {
    const crowd = await Crowd.open(browser, base)
    await crowd.talk()
    const page = await arrive(browser, base, options)
    await crowd.goOn()
    await page.evaluate(() => { window.location.hash = '#/room/lobby' })
    await page.getByText('I will watch the connection attempts').last().waitFor()
    await prepare(page, crowd)
    await page.screenshot({ path: join(folder, `${name}.png`) })
    await page.context().close()
    await crowd.close()
  }
}

/** The people of the pictures. */
class Crowd {
  private readonly people: Record<string, Speaker>

  private constructor(people: Record<string, Speaker>) {
    this.people = people
  }

  static async open(browser: Browser, base: string): Promise<Crowd> {
    const open = async (user: string, room = 'lobby') => Speaker.open(browser, base, user, room)
    return new Crowd({
      Mara: await open('Mara Lindqvist'), Jonas: await open('Jonas'), Priya: await open('Priya N.'),
      ops: await open('Deploy bot', 'releases'), design: await open('Ilse', 'design'), other: await open('Jonas', 'incidents'),
    })
  }

  async talk(): Promise<void> {
    await this.say('other', 'All clear since Tuesday.')
    const [question = 0] = await this.say('Mara', 'Morning! Did the load test finish overnight?')
    await this.say('Jonas', 'It did. **15,000 connections**, five minutes, nothing lost and nothing twice.', question)
    await this.say('Jonas', 'The script is in `bench/`, and the figures are in https://docs.example.org/performance')
    const [praise = 0] = await this.say('Priya', 'That is better than I expected from *one* machine.')
    await this.people.Mara?.react(praise, '❤')
    await this.people.Jonas?.react(praise, '❤')
    await this.say('Mara', 'How do I look at a single room again, from the log alone?')
    await this.say('Jonas', '```\npartyline replay --room lobby\n```')
  }

  /** What is new when the reader comes back. */
  async goOn(): Promise<void> {
    const [plan = 0] = await this.say('Priya', 'Then I would switch the second gateway on this afternoon.')
    await this.people.Mara?.react(plan, '❤')
    await this.say('Mara', 'Fine with me. I will watch the connection attempts while you do it.')
    await this.say('ops', 'Version 1.4 is out.')
    await this.say('ops', 'All gateways have been drained and restarted.')
    await this.say('design', 'New icons are in the shared folder.')
  }

  types(): Promise<void> {
    return this.people.Jonas?.types() ?? Promise.resolve()
  }

  async close(): Promise<void> {
    for (const one of Object.values(this.people)) await one.close()
  }

  private async say(who: string, text: string, reply?: number): Promise<number[]> {
    return (await this.people[who]?.say([text], reply === undefined ? {} : { reply_to: reply })) ?? []
  }
}

/** Opens the page in another room than the one that is pictured. */
async function arrive(browser: Browser, base: string, options: BrowserContextOptions): Promise<Page> {
  const context = await browser.newContext({ reducedMotion: 'reduce', locale: 'en-GB', ...options })
  await context.addInitScript(() => {
    localStorage.setItem('partyline.name', 'ana')
    localStorage.setItem('partyline.rooms', JSON.stringify(['lobby', 'design', 'releases']))
  })
  const page = await context.newPage()
  await page.goto(`${base}#/room/incidents`)
  await page.getByRole('status', { name: 'Connection' }).getByText('Connected', { exact: true }).waitFor({ state: 'attached' })
  await page.getByText('All clear since Tuesday.').waitFor()
  return page
}

async function answer(page: Page, crowd: Crowd): Promise<void> {
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Good, I will announce it in #releases')
  await page.getByText(/Connected · \d+ ms/).waitFor()
  await crowd.types()
  await page.getByText('Jonas is typing…').waitFor()
}

async function goOffline(page: Page): Promise<void> {
  await page.context().setOffline(true)
  await page.getByRole('textbox', { name: 'Message', exact: true }).fill('I am on the train: this goes out as soon as there is a network again.')
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('waits for the connection').waitFor()
  await page.evaluate(() => { window.dispatchEvent(new Event('online')) }) // the connection is looked at now
  await page.getByText('The network is offline').waitFor()
}
