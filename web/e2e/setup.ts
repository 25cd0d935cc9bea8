import type { Browser, BrowserContext, WebSocketRoute } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, onTestFailed } from 'vitest'
import { Person } from './browser'
import { launch } from './launch'
import { Server } from './server'

export interface Stage {
  browser: Browser
  server: Server
  /** Somebody with a profile of their own, connected; url: not to the server itself. */
  person(name: string, url?: string): Promise<Person>
  /** The same, connected or not. */
  visitor(name: string, url?: string): Promise<Person>
  /** Two people in one room. */
  two(): Promise<[Person, Person]>
  /** A profile whose chat connections the test answers. */
  answered(answer: (ws: WebSocketRoute) => void): Promise<BrowserContext>
}

/**
 * A browser for all tests of a file, and a server of its own for each. Profiles
 * of the same name go from server to server, which are origins of their own:
 * nothing that a page stored is seen by the next test, and no process has to be
 * started for it.
 */
export function stage(...args: string[]): Stage {
  const profiles = new Map<string, BrowserContext>()
  let current: (ws: WebSocketRoute) => void
  const own: Omit<Stage, 'browser' | 'server'> & Partial<Stage> = {
    person: async (name, url) => {
      const person = await own.visitor(name, url)
      await person.connected()
      return person
    },
    visitor: async (name, url) => {
      const { browser, server } = own as Stage
      const context = profiles.get(name) ?? await Person.profile(browser, name)
      profiles.set(name, context)
      return Person.visit(context, url ?? server.url, name)
    },
    two: async () => {
      onTestFailed(() => { console.error(own.server?.log.slice(-40).join('\n')) })
      return Promise.all([own.person('ana'), own.person('ben')])
    },
    answered: async (answer) => {
      current = answer
      const known = profiles.get('')
      if (known) return known
      const context = await Person.profile((own as Stage).browser, 'ana')
      profiles.set('', context)
      await context.routeWebSocket(/\/ws\/chat\//, (ws) => { current(ws) })
      return context
    },
  }
  beforeAll(async () => { own.browser = await launch(...args) })
  afterAll(async () => { await own.browser?.close() })
  beforeEach(async () => { own.server = await Server.create() })
  afterEach(async ({ task }) => {
    const { browser, server } = own as Stage
    if (task.result?.state === 'fail') profiles.clear() // in a state that nobody knows
    const keep = new Set(profiles.values())
    await Promise.all(browser.contexts().map((context) => (keep.has(context) ? Person.tidy(context) : context.close())))
    await server.remove()
  })
  return own as Stage
}
