import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, onTestFailed } from 'vitest'
import { launch, Person } from './browser'
import { Server } from './server'

export interface Stage {
  browser: Browser
  server: Server
  /** Two people in one room. */
  two(): Promise<[Person, Person]>
}

/** A browser for all tests of a file, and a server of its own for each. */
export function stage(...args: string[]): Stage {
  const own = {
    two: async () => {
      onTestFailed(() => { console.error(own.server.log.slice(-40).join('\n')) })
      return Promise.all([Person.open(own.browser, own.server.url, 'ana'), Person.open(own.browser, own.server.url, 'ben')])
    },
  } as Stage
  beforeAll(async () => { own.browser = await launch(...args) })
  afterAll(async () => { await own.browser.close() })
  beforeEach(async () => { own.server = await Server.create() })
  afterEach(async () => {
    await Promise.all(own.browser.contexts().map((context) => context.close()))
    await own.server.remove()
  })
  return own
}
