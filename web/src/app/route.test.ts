import { expect, it } from 'vitest'
import { parseRoute } from './route'

it.each([
  ['', { page: 'room', room: null }], ['#', { page: 'room', room: null }], ['#/', { page: 'room', room: null }],
  ['#/room/lobby', { page: 'room', room: 'lobby' }], ['#/status', { page: 'other', path: 'status' }],
  ['#/status?x=1', { page: 'other', path: 'status' }],
  ['#/room/<b>', { page: 'other', path: 'room/<b>' }], ['#/room/A', { page: 'other', path: 'room/A' }],
] as const)('reads %j', (hash, route) => {
  expect(parseRoute(hash)).toEqual(route)
})
