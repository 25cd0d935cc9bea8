import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch, Person } from './browser'
import { Server } from './server'

const settings = ['--auth-mode', 'jwt', '--auth-jwt-secret', '0123456789abcdef0123456789abcdef', '--auth-jwt-leeway', '0s']
const binary = join(import.meta.dirname, '../../bin/partyline')

let browser: Browser
let server: Server
beforeAll(async () => { [browser, server] = await Promise.all([launch(), Server.create(settings)]) })
afterAll(async () => { await Promise.all([browser.close(), server.remove()]) })

const sign = (...args: string[]) => execFileSync(binary, ['token', ...settings, '--rooms', 'lobby', ...args], { cwd: '/', encoding: 'utf8' }).trim()

test('a token lets people in, by link and by hand', async () => {
  const ana = await Person.tab(await browser.newContext(), `${server.url}#token=${sign('--sub', 'u1', '--name', 'Ana')}`)
  await ana.connected()
  expect(ana.page.url()).not.toContain('token')

  const ben = await Person.tab(await browser.newContext(), server.url)
  await ben.page.getByText('This server lets people in with a token').waitFor()
  await ben.page.getByLabel('Token').fill(sign('--sub', 'u2', '--name', 'Ben', '--ttl', '1ns'))
  await ben.button('Use it').click()
  await ben.page.getByText('did not let you in with the token of this tab').waitFor()
  await ben.page.getByLabel('Token').fill(sign('--sub', 'u2', '--name', 'Ben'))
  await ben.button('Use it').click()
  await ben.connected()
  await ben.say('hello')
  await ana.sees('hello')
  await ana.log.getByText('Ben', { exact: true }).first().waitFor()
})
