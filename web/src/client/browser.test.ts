import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { attach } from './browser'
import type { Client } from './client'

const page = (more: object) => Object.assign(new EventTarget(), more)

let doc: EventTarget & { visibilityState: string }
let win: EventTarget

beforeEach(() => {
  doc = page({ visibilityState: 'visible' }) as typeof doc
  win = page({})
  vi.stubGlobal('document', doc)
  vi.stubGlobal('window', win)
  vi.stubGlobal('navigator', {})
})
afterEach(() => { vi.unstubAllGlobals() })

function fake(foreign: string[] = []) {
  const client = {
    wake: vi.fn(), reload: vi.fn(), forbidden: vi.fn(), adopt: vi.fn(), outboxKey: 'own', foreignOutboxes: () => foreign,
  }
  attach(client as unknown as Client)
  return client
}

it.each(['online', 'pageshow'])('wakes up on %s', (event) => {
  const client = fake()
  win.dispatchEvent(new Event(event))
  expect(client.wake).toHaveBeenCalledOnce()
})

it('wakes up when the page is looked at, not when it is hidden', () => {
  const client = fake()
  doc.visibilityState = 'hidden'
  doc.dispatchEvent(new Event('visibilitychange'))
  expect(client.wake).not.toHaveBeenCalled()
  doc.visibilityState = 'visible'
  doc.dispatchEvent(new Event('visibilitychange'))
  expect(client.wake).toHaveBeenCalledOnce()
})

it('hears of a policy that forbids a connection, and of nothing else that one says', () => {
  const client = fake()
  const violation = (more: object) => Object.assign(new Event('securitypolicyviolation'), { disposition: 'enforce', effectiveDirective: 'connect-src', blockedURI: 'ws://x/', ...more })
  doc.dispatchEvent(violation({ disposition: 'report' }))
  doc.dispatchEvent(violation({ effectiveDirective: 'img-src' }))
  expect(client.forbidden).not.toHaveBeenCalled()
  doc.dispatchEvent(violation({}))
  expect(client.forbidden).toHaveBeenCalledExactlyOnceWith('ws://x/')
})

it('takes over what other tabs left where the browser has no locks', () => {
  expect(fake(['a', 'b']).adopt.mock.calls).toEqual([['a'], ['b']])
})
