import { expect, it } from 'vitest'
import { ServerClock } from './serverclock'

const at = (ms: number) => new Date(ms).toISOString()

function setup() {
  const t = { steady: 1_000_000, device: 1_000_000 }
  return { t, clock: new ServerClock({ now: () => t.steady, date: () => t.device }) }
}

it('knows nothing until the server has said a time', () => {
  const { clock } = setup()
  expect([clock.known, clock.offset, clock.deviceOffset()]).toEqual([false, 0, 0])
  for (const bad of ['', 'yesterday', '<html>']) expect(clock.tell(bad, 0)).toBe(false)
  expect(clock.known).toBe(false)
})

it('takes half of the way off, and is not moved by ways that differ a little', () => {
  const { t, clock } = setup()
  expect(clock.tell(at(t.steady + 60_000), 200)).toBe(true)
  expect(clock.offset).toBe(60_100)
  expect(clock.tell(at(t.steady + 60_300), 0)).toBe(false)
  expect(clock.offset).toBe(60_100)
  expect(clock.tell(at(t.steady + 90_000), 0)).toBe(true)
  expect(clock.offset).toBe(90_000)
})

it('tells a clock of the device that is set later, and does not follow it', () => {
  const { t, clock } = setup()
  clock.tell(at(t.steady), 0)
  t.device -= 3_600_000
  expect([clock.offset, clock.deviceOffset()]).toEqual([0, 3_600])
})

it('goes on after a sleep in which the steady clock stood still', () => {
  const { t, clock } = setup()
  clock.tell(at(t.steady), 0)
  t.device += 7_200_000
  expect(clock.tell(at(t.device), 0)).toBe(true)
  expect([clock.offset, clock.deviceOffset()]).toEqual([7_200_000, 0])
})
