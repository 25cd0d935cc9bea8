import { argv, env } from 'node:process'
import type { Browser } from 'playwright-core'
import { launch } from '../../../e2e/launch'
import { Server } from '../../../e2e/server'

/** Takes the pictures of one page; base is the address of a running server. */
type Take = (browser: Browser, base: string) => Promise<void>

const modules = import.meta.glob<Record<string, Take>>('../*.ts', { eager: true })

/**
 * Takes the pictures of every page, or of those named on the command line: each
 * with a new server, or all with the one at PARTYLINE_URL.
 */
export async function takeAll(): Promise<void> {
  const wanted = argv.slice(2)
  const browser = await launch('--hide-scrollbars')
  try {
    for (const [path, exported] of Object.entries(modules)) {
      const name = /([^/]+)\.ts$/.exec(path)?.[1] ?? ''
      if (wanted.length > 0 && !wanted.includes(name)) continue
      for (const take of Object.values(exported)) await withServer((base) => take(browser, base))
      console.log(`${name}: taken`)
    }
  } finally {
    await browser.close()
  }
}

async function withServer(run: (base: string) => Promise<void>): Promise<void> {
  const base = env.PARTYLINE_URL
  if (base !== undefined) return run(new URL('/', base).href)
  const server = await Server.create()
  try {
    await run(server.url)
  } finally {
    await server.remove()
  }
}
