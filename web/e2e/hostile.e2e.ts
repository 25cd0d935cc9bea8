import { expect, test } from 'vitest'
import { Person } from './browser'
import { stage } from './setup'

const s = stage()

test('hostile texts and names stay text, and stay in their place', async () => {
  const ana = await Person.open(s.browser, s.server.url, '<img src=x onerror=x>')
  const texts = [
    '<script>document.title="owned"</script><img src=x onerror="document.title=1">', '[click](javascript:alert(1))',
    '\u202eesrever \u202d and \u2066isolates', 'zero\u200bwidth\u2060joiners', 'x'.repeat(4_000),
    `a${'\u0301'.repeat(3_999)}`, '﷽'.repeat(300), '```\n<b>\n```', '# not a heading\n\n\n| a |',
  ]
  for (const text of texts) {
    await ana.say(text)
    await expect.poll(() => ana.log.locator('article[data-state="pending"]').count()).toBe(0)
  }
  await ana.sees('not a heading')
  expect(await ana.log.locator('img, script, b, iframe').count()).toBe(0)
  expect(await ana.page.title()).toContain('Partyline')
  expect(await ana.page.evaluate(() => document.documentElement.scrollWidth)).toBe(1_200)
  expect(await ana.log.evaluate((log) => log.scrollWidth - log.clientWidth)).toBe(0)
  expect(ana.lines.filter((line) => line.startsWith('thrown'))).toEqual([])
  await ana.field('Message').fill('\u0007 bell')
  await ana.page.getByText('It contains a character that cannot be sent.').waitFor()
  await ana.field('Message').fill('y'.repeat(4_001))
  await ana.page.getByText('1 characters too long').waitFor()
  expect(await ana.button('Send').isDisabled()).toBe(true)
})

test('a server that answers nonsense is named, and the page stays usable', async () => {
  const context = await s.browser.newContext()
  await context.routeWebSocket(/\/ws\/chat\//, (ws) => {
    for (const frame of ['<html>', '[]', '{"type":"welcome"}', '{"type":"news","x":1}']) ws.send(frame)
  })
  await context.route('**/chat/status/', (route) => route.fulfill({ contentType: 'text/html', body: '<html>' }))
  await context.route('**/api/v1/rooms', (route) => route.fulfill({ json: { rooms: [{ name: '<b>' }, { name: 5 }] } }))
  const ana = await Person.tab(context, s.server.url)
  await ana.page.getByText('is not a chat server that this page knows').filter({ visible: true }).first().waitFor()
  await ana.say('waits')
  await ana.sees('waits', 'pending')
  await ana.page.getByRole('link', { name: 'Server status: no answer' }).waitFor()
})

test('an old server without optional members, and unknown frames, are understood', async () => {
  const context = await s.browser.newContext()
  await context.routeWebSocket(/\/ws\/chat\//, (ws) => {
    ws.send('{"type":"welcome","uid":"u","epoch":"e"}')
    ws.onMessage((text) => {
      const frame = JSON.parse(String(text)) as { type: string; id?: string; room?: string; text?: string }
      if (frame.type === 'join') {
        const messages = [{ seq: 1, ts: 'yesterday', id: 'i', uid: 'x', user: '\u202eevil\u202c', text: 'old' }, { nonsense: 1 }]
        ws.send(JSON.stringify({ type: 'joined', id: frame.id, room: frame.room, epoch: 'e', last_seq: 1, messages }))
        for (const bad of ['{"type":"event","room":"lobby"}', '{"type":"later","a":1}', '{"type":"presence","room":"lobby","members":-1}']) ws.send(bad)
      }
      if (frame.type === 'send') ws.send(JSON.stringify({ type: 'error', id: frame.id, code: 'brand_new', message: '<b>no</b>' }))
    })
  })
  const ana = await Person.tab(context, s.server.url)
  await ana.sees('old')
  expect(await ana.log.locator('article bdi').first().innerText()).toBe('evil')
  await ana.say('refused')
  await ana.sees('refused', 'failed')
  await ana.page.getByText('Not sent: the server says “brand_new”.').waitFor()
  await ana.button('Discard').click()
  await expect.poll(() => ana.log.locator('article').count()).toBe(1)
})

test('storage that is forbidden or full is told', async () => {
  const context = await s.browser.newContext()
  await context.addInitScript(() => {
    Object.defineProperty(window, 'localStorage', { get: () => { throw new Error('forbidden') } })
  })
  const ana = await Person.tab(context, s.server.url)
  await ana.connected()
  await ana.page.getByText('This browser keeps nothing').waitFor()
  await ana.say('works')
  await ana.sees('works')
  const full = await s.browser.newContext()
  await full.addInitScript(() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') } })
  const ben = await Person.tab(full, s.server.url)
  await ben.page.getByText('This browser keeps nothing').waitFor()
  await ben.say('too')
  await ana.sees('too')
})
