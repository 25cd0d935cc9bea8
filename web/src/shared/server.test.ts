import { expect, it } from 'vitest'
import { parseRooms, parseStatus } from './server'

it('reads a status, whatever else is in it', () => {
  expect(parseStatus({
    status: 'ok', version: '1', gateway: 'g', uptime_s: 3.7, time: 't', more: 1,
    websocket: { urls: ['ws://x', 5], connections: 2, draining: true },
    auth: 'jwt', storage: { nats: 'connected', durability: 'sync', projection_lag: 0 }, analytics: { mode: 'embedded', ok: true, lag: 1 },
  })).toEqual({
    status: 'ok', version: '1', gateway: 'g', uptime: 3, time: 't', urls: ['ws://x'], connections: 2, draining: true,
    auth: 'jwt', nats: 'connected', durability: 'sync', lag: 0, analytics: { mode: 'embedded', ok: true },
  })
  expect(parseStatus({ status: 'ok', websocket: 'x', uptime_s: NaN })).toEqual({
    status: 'ok', version: '', gateway: '', uptime: 0, draining: false, auth: 'open', urls: [],
  })
})

it.each([null, 5, [], '<html>', {}, { status: 5 }])('takes %j for no status', (value) => {
  expect(parseStatus(value)).toBeNull()
})

it('reads rooms with names that can be opened', () => {
  expect(parseRooms({ rooms: [{ name: 'a', topic: 't' }, { room: 'b' }, { name: '<b>' }, 5, { name: 'x'.repeat(65) }] }))
    .toEqual([{ name: 'a', topic: 't' }, { name: 'b', topic: '' }])
  expect(parseRooms([{ name: 'a' }])).toHaveLength(1)
  expect([parseRooms('<html>'), parseRooms({ rooms: 5 })]).toEqual([null, null])
})
