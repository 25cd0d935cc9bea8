import type { BrowserContext } from 'playwright-core'
import { expect, test } from 'vitest'
import { Person } from './browser'
import { stage } from './setup'

const s = stage()

test('hostile texts and names stay text, and stay in their place', async () => {
  const ana = await s.person('<img src=x onerror=x>')
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
  const context = await s.answered((ws) => {
    for (const frame of ['<html>', '[]', '{"type":"welcome"}', '{"type":"news","x":1}']) ws.send(frame)
  })
  await context.route('**/chat/status/', (route) => route.fulfill({ contentType: 'text/html', body: '<html>' }))
  await context.route('**/api/v1/rooms', (route) => route.fulfill({ json: { rooms: [{ name: '<b>' }, { name: 5 }] } }))
  const ana = await Person.visit(context, s.server.url, 'ana')
  await ana.page.getByText('is not a chat server that this page knows').filter({ visible: true }).first().waitFor()
  await ana.say('waits')
  await ana.sees('waits', 'pending')
  await ana.page.getByRole('link', { name: 'Server status: no answer' }).waitFor()
})

test('an old server without optional members, and unknown frames, are understood', async () => {
  const context = await s.answered((ws) => {
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
  const ana = await Person.visit(context, s.server.url, 'ana')
  await ana.sees('old')
  expect(await ana.log.locator('article bdi').first().innerText()).toBe('evil')
  await ana.say('refused')
  await ana.sees('refused', 'failed')
  await ana.page.getByText('Not sent: the server says “brand_new”.').waitFor()
  await ana.button('Discard').click()
  await expect.poll(() => ana.log.locator('article').count()).toBe(1)
})

test('hostile topics and names of a server stay text, and stay in their place', async () => {
  const hostile = `<img src=x onerror="document.title=1">\u202e${'W'.repeat(500)}${'\u0301'.repeat(500)}`
  const context = await s.answered((ws) => {
    ws.send(JSON.stringify({ type: 'welcome', uid: 'u', epoch: 'e', user: hostile, server: { version: hostile, gateway: hostile } }))
    ws.onMessage((text) => {
      const { type, id, room } = JSON.parse(String(text)) as Record<string, unknown>
      if (type !== 'join') return
      const reactions = { [hostile]: 2, ['__proto__']: 1 }
      const messages = [{ seq: 1, ts: '2026-01-01T00:00:00Z', id: 'i', uid: 'x', user: hostile, text: hostile, reactions, reply_to: 99, meta: { a: hostile } }]
      ws.send(JSON.stringify({ type: 'joined', id, room, epoch: 'e', last_seq: 1, members: 2, messages }))
      ws.send(JSON.stringify({ type: 'event', room, seq: 2, prev: 1, ts: '', event: { kind: 'room', id: 'r', uid: 'x', user: hostile, topic: hostile } }))
      ws.send(JSON.stringify({ type: 'presence', room, members: 2, join: [{ uid: 'x', user: hostile }, { uid: 'y', user: '' }] }))
      ws.send(JSON.stringify({ type: 'typing', room, uid: 'x', user: hostile, on: true }))
    })
  })
  await context.route('**/api/v1/rooms', (route) => route.fulfill({ json: { rooms: [{ name: 'x'.repeat(64), topic: hostile }, { name: hostile, topic: '' }] } }))
  await context.route('**/chat/status/', (route) => route.fulfill({ json: { status: hostile, version: hostile, gateway: hostile, uptime_s: -1 } }))
  const ana = await Person.visit(context, s.server.url, 'ana')
  await ana.page.setViewportSize({ width: 360, height: 720 })
  await ana.page.getByText(/is typing/).waitFor()
  await ana.button('Rooms and pages').click()
  await ana.page.getByRole('dialog').getByRole('link', { name: `#${'x'.repeat(64)}` }).waitFor()
  await ana.page.keyboard.press('Escape')
  await ana.button(/^People/).click()
  await ana.page.getByRole('dialog', { name: 'People' }).getByRole('listitem').first().waitFor()
  expect(await ana.page.locator('dialog[open]').evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth)).toBe(0)
  await ana.page.keyboard.press('Escape')
  await ana.page.goto(`${s.server.url}#/status`)
  await ana.page.getByText('Up for').waitFor()
  expect(await ana.page.locator('img').count()).toBe(0)
  expect(await ana.page.title()).toContain('Partyline')
  expect(await ana.page.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
  expect(ana.lines.filter((line) => line.startsWith('thrown'))).toEqual([])
})

/** Sets the clock of a page, by so many hours. */
async function setClock(context: BrowserContext, hours: number): Promise<void> {
  const set = (off: number) => {
    const own = window as unknown as { off?: number }
    const known = own.off !== undefined
    own.off = off
    if (known) return
    const Real = Date
    window.Date = class extends Real {
      constructor(...given: unknown[]) {
        super(...(given.length === 0 ? [Real.now() + (own.off ?? 0)] : given) as [number])
      }
      static override now() { return Real.now() + (own.off ?? 0) }
    } as DateConstructor
  }
  await context.addInitScript(set, hours * 3_600_000)
  await Promise.all(context.pages().map((page) => page.evaluate(set, hours * 3_600_000)))
}

test.each([['behind', -49], ['ahead', 49]])('a clock that is two days %s is told once, and days go by the server', async (words, hours) => {
  const context = await s.browser.newContext()
  await setClock(context, hours)
  const ana = await Person.tab(context, s.server.url)
  const warning = ana.page.getByText('This device’s clock')
  await ana.page.getByText(`This device’s clock is 2 d 1 h ${words}. Times are shown by the server’s clock.`).waitFor()
  await ana.say('what day is it?')
  await ana.sees('what day is it?')
  await ana.log.getByRole('heading', { name: 'Today' }).waitFor()
  await ana.button('Dismiss').click()
  await warning.waitFor({ state: 'detached' })
  await s.server.kill()
  await ana.say('still')
  await ana.sees('still', 'pending')
  await s.server.start()
  await ana.sees('still')
  expect(await warning.count()).toBe(0)
  // The history of the connection goes by the server's clock as well: by the real one.
  await ana.button(/The last changes of the connection$/).click()
  const times = await ana.page.getByRole('list', { name: 'The last changes of the connection' }).locator('time')
    .evaluateAll((all) => all.map((time) => Date.parse((time as HTMLTimeElement).dateTime)))
  expect(times.length).toBeGreaterThan(3)
  expect(times.filter((time) => Math.abs(time - Date.now()) > 600_000)).toEqual([])
})

test('a clock that is set while the page is open is told, and moves no time that is shown', async () => {
  const context = await s.browser.newContext()
  await setClock(context, 0)
  const ana = await Person.tab(context, s.server.url)
  await ana.say('before')
  await ana.sees('before')
  for (const [hours, words] of [[49, '2 d 1 h ahead'], [0, null], [-30, '1 d 6 h behind']] as const) {
    await setClock(context, hours)
    await ana.wake() // asks the server, as every few seconds
    if (words === null) await ana.page.getByText('This device’s clock').waitFor({ state: 'detached' })
    else await ana.page.getByText(`This device’s clock is ${words}.`).waitFor()
  }
  await ana.say('after')
  await ana.sees('after')
  expect(await ana.log.getByRole('heading').allInnerTexts()).toEqual(['Today'])
  await s.server.kill()
  // As long as the next attempt is away, whatever the clock says.
  await ana.page.getByText(/^Reconnecting( in \d{1,2} s)?:.*Messages wait here/).waitFor()
})

test('what the server refuses is tried again in its place', async () => {
  let refused = 0
  const context = await s.answered((ws) => {
    const server = ws.connectToServer()
    ws.onMessage((text) => {
      const { type, id } = JSON.parse(String(text)) as Record<string, unknown>
      if (type === 'send' && refused++ === 0) ws.send(JSON.stringify({ type: 'error', id, code: 'forbidden', message: 'no' }))
      else server.send(text)
    })
  })
  const ana = await Person.visit(context, s.server.url, 'ana')
  await ana.connected()
  await ana.say('one')
  await ana.page.getByText('Not sent: you may not do that.').waitFor()
  await ana.say('two')
  await ana.sees('two')
  await ana.button('Try again').click()
  await ana.sees('one')
  expect(await ana.texts()).toEqual(['two', 'one'])
  expect(await ana.log.locator('article[data-state="failed"]').count()).toBe(0)
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
  await full.addInitScript(() => {
    for (let size = 2 ** 22; size >= 1; size /= 2) {
      try {
        while (size > 0) localStorage.setItem(`of-others-${String(localStorage.length)}`, 'x'.repeat(size))
      } catch {
        // Less of it may fit.
      }
    }
  })
  const ben = await Person.tab(full, s.server.url)
  await ben.page.getByText('This browser keeps nothing').waitFor()
  await ben.say('too')
  await ana.sees('too')
})
