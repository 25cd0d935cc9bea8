import type { Browser, BrowserContext, Page } from 'playwright-core'

const atOnce = 100 // frames that are not acknowledged: a server refuses too many

/** Somebody who speaks the protocol without the page, faster than a person could. */
export class Speaker {
  private readonly page: Page
  private readonly context: BrowserContext

  private constructor(context: BrowserContext, page: Page) {
    this.context = context
    this.page = page
  }

  /** Joins a room of the server at url. */
  static async open(browser: Browser, url: string, user: string, room = 'lobby'): Promise<Speaker> {
    const context = await browser.newContext({ bypassCSP: true }) // that of the answer allows nothing
    const page = await context.newPage()
    // Any answer of the same origin will do, as long as it is not the page.
    await page.goto(`${url}chat/status/`)
    await page.evaluate(connect, { user, room, key: user.padEnd(32, '_').replaceAll(/[^A-Za-z0-9_-]/g, '_') })
    return new Speaker(context, page)
  }

  /** Says them in order and waits until all are stored; returns their seqs. */
  async say(texts: string[], more: { reply_to?: number } = {}): Promise<number[]> {
    const seqs: number[] = []
    for (let from = 0; from < texts.length; from += atOnce) {
      seqs.push(...await this.store(texts.slice(from, from + atOnce).map((text) => ({ type: 'send', text, ...more }))))
    }
    return seqs
  }

  /** Reacts to a message. */
  react(target: number, emoji: string): Promise<number[]> {
    return this.store([{ type: 'react', target, emoji, on: true }])
  }

  /** Says numbered messages at a steady rate until the speaker is closed. */
  async chatter(perSecond: number): Promise<void> {
    await this.page.evaluate((every) => {
      let n = 0
      setInterval(() => { void (window as unknown as Window & Speaking).store([{ type: 'send', text: `chatter ${String(++n)} ${'and on '.repeat(n % 9)}` }]) }, every)
    }, 1_000 / perSecond)
  }

  /** Tells the others that something is being written. */
  async types(): Promise<void> {
    await this.page.evaluate(() => { (window as unknown as Window & Speaking).types() })
  }

  async close(): Promise<void> {
    await this.context.close()
  }

  private store(frames: object[]): Promise<number[]> {
    return this.page.evaluate((all) => (window as unknown as Window & Speaking).store(all), frames)
  }
}

interface Speaking {
  store(frames: object[]): Promise<number[]>
  types(): void
}

// Runs in the browser.
async function connect({ user, room, key }: { user: string; room: string; key: string }): Promise<void> {
  const socket = new WebSocket(`/ws/chat/?${new URLSearchParams({ user }).toString()}`, ['partyline.v1', `client.${key}`])
  const waiting = new Map<string, { resolve: (seq: number) => void; reject: (error: Error) => void }>()
  let n = 0
  const frame = (more: object) => { socket.send(JSON.stringify({ room, ...more })) }
  await new Promise<void>((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      const { type, id, seq, code } = JSON.parse(String(data)) as { type: string; id?: string; seq?: number; code?: string }
      if (type === 'welcome') frame({ type: 'join', tail: 0 })
      if (type === 'joined') resolve()
      if (type === 'ack') waiting.get(id ?? '')?.resolve(seq ?? 0)
      if (type === 'error') waiting.get(id ?? '')?.reject(new Error(code))
      if (type === 'ack' || type === 'error') waiting.delete(id ?? '')
    }
    socket.onerror = () => { reject(new Error('no connection')) }
    socket.onclose = ({ code }) => {
      const gone = new Error(`closed with ${String(code)}`)
      reject(gone)
      waiting.forEach((one) => { one.reject(gone) })
    }
  })
  const store = (one: object) => new Promise<number>((resolve, reject) => {
    const id = `${String(Date.now())}-${String(++n)}`
    waiting.set(id, { resolve, reject })
    frame({ id, ...one })
  })
  Object.assign(window, {
    store: (all: object[]) => Promise.all(all.map(store)),
    types: () => { frame({ type: 'typing', on: true }) },
  } satisfies Speaking)
}
