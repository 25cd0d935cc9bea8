import { expect, onTestFinished, test } from 'vitest'
import { Person } from './browser'
import { Proxy } from './proxy'
import { stage } from './setup'

const s = stage()

test('a killed server loses, doubles and reorders nothing', async () => {
  const [ana, ben] = await s.two()
  const all = Array.from({ length: 24 }, (_, i) => `message ${String(i)}`)
  for (const [i, text] of all.entries()) {
    await ana.say(text)
    if (i === 6) await ben.sees(text)
    if (i === 9) await s.server.kill()
    if (i === 18) await s.server.start()
  }
  await Promise.all([ana.sees('message 23'), ben.sees('message 23')])
  await ben.say('after')
  await ana.sees('after')
  await ben.sees('after')
  expect(await ana.texts()).toEqual([...all, 'after'])
  expect(await ben.texts()).toEqual([...all, 'after'])
})

test('the banner says what is known, and the pill what happened', async () => {
  const ana = await s.person('ana')
  await s.server.kill()
  await ana.page.getByText(/^Reconnecting.*The server does not answer at all.*Messages wait here/).waitFor()
  await ana.say('meanwhile')
  await ana.sees('meanwhile', 'pending')
  await s.server.start()
  await ana.button('Connect now').click({ timeout: 5_000 }).catch(() => undefined) // unless it was faster
  await ana.sees('meanwhile')
  await ana.page.getByText('Messages wait here').waitFor({ state: 'detached' })
  await ana.button(/The last changes of the connection$/).click()
  const log = ana.page.getByRole('list', { name: 'The last changes of the connection' })
  expect((await log.innerText()).split('\n').filter((line) => line.includes('Reconnecting')).length).toBeGreaterThan(0)
})

test('offline and online', async () => {
  const [ana, ben] = await s.two()
  await ana.context.setOffline(true)
  await ana.say('from the tunnel')
  await ana.sees('from the tunnel', 'pending')
  await ana.context.setOffline(false)
  await ben.sees('from the tunnel')
  await ana.sees('from the tunnel')
  expect(await ben.texts()).toEqual(['from the tunnel'])
})

test('unsent messages outlive a reload while the server is away', async () => {
  const [ana, ben] = await s.two()
  await s.server.kill()
  await ana.say('kept')
  await ana.sees('kept', 'pending')
  // The server brings the page, so the page can only come back with it.
  await ana.page.goto('about:blank')
  await s.server.start()
  await Promise.all([ana.page.goto(s.server.url), ben.wake()])
  await ana.sees('kept')
  await ben.sees('kept')
  expect(await ben.texts()).toEqual(['kept'])
})

test('a tab that is closed leaves its messages to another, which sends them once', async () => {
  const ana = await s.person('ana')
  const other = await Person.tab(ana.context, s.server.url)
  await other.connected()
  await s.server.kill()
  await ana.say('left behind')
  await other.say('own')
  await ana.sees('left behind', 'pending')
  await ana.page.close()
  await s.server.start()
  await other.wake()
  await other.sees('left behind')
  await other.sees('own')
  expect((await other.texts()).toSorted()).toEqual(['left behind', 'own'])
})

test('sleep and wake: a connection that died in the meantime is replaced', async () => {
  const [ana, ben] = await s.two()
  // Asleep: nothing runs, and the server cuts what it cannot reach.
  const cdp = await ana.context.newCDPSession(ana.page)
  await cdp.send('Page.setWebLifecycleState', { state: 'frozen' })
  await s.server.kill()
  await s.server.start()
  await ben.wake()
  await ben.say('while you slept')
  await cdp.send('Page.setWebLifecycleState', { state: 'active' })
  await ana.page.evaluate(() => { window.dispatchEvent(new Event('pageshow')) })
  await ana.sees('while you slept')
  await ana.connected()
})

test('a path that cuts and goes silent loses, doubles and reorders nothing', async () => {
  const proxy = await Proxy.open(s.server.url)
  onTestFinished(() => proxy.close())
  const ana = await s.person('ana', proxy.url)
  const ben = await s.person('ben')
  const all = Array.from({ length: 22 }, (_, i) => `message ${String(i)}`)
  for (const [i, text] of all.entries()) {
    await ana.say(text)
    if (i % 7 === 6) proxy.cut()
    if (i === 16) {
      // No end is told that nothing arrives any more; waking up makes it look.
      proxy.silence()
      await ana.wake()
    }
  }
  await Promise.all([ana.sees('message 21'), ben.sees('message 21')])
  await ben.say('back')
  await ana.sees('back')
  expect(await ben.texts()).toEqual([...all, 'back'])
  expect(await ana.texts()).toEqual([...all, 'back'])
})

test('a policy that forbids the chat is named, without a storm of attempts', async () => {
  const context = await s.browser.newContext()
  await context.route('**/', async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, headers: { ...answer.headers(), 'content-security-policy': "connect-src 'none'" } })
  })
  const ana = await Person.tab(context, s.server.url)
  await ana.page.getByText('a security policy of this page forbids the connection').filter({ visible: true }).first().waitFor()
  await ana.button('See why').waitFor()
  expect(ana.lines.filter((line) => line.includes('/ws/chat/')).length).toBeLessThan(5)
})

test('many tabs do not storm a server that is away', async () => {
  const ana = await s.person('ana')
  const tabs = await Promise.all(Array.from({ length: 5 }, () => Person.tab(ana.context, s.server.url)))
  await Promise.all(tabs.map((tab) => tab.connected()))
  // Headless tabs all count as visible: all but the first are hidden by hand.
  await Promise.all(tabs.map((tab) => tab.page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' })
  })))
  await s.server.kill()
  const from = Date.now()
  await ana.page.getByText('The server does not answer at all').waitFor()
  await expect.poll(() => ana.sockets.filter((at) => at > from).length, { timeout: 30_000 }).toBeGreaterThan(3)
  const storm = tabs.flatMap((tab) => tab.sockets).filter((at) => at > from).length
  const single = ana.sockets.filter((at) => at > from).length
  expect(storm).toBeLessThan(3 * single + 5)
  await s.server.start()
  await ana.wake()
  await Promise.all([ana, ...tabs].map((tab) => tab.connected()))
})
