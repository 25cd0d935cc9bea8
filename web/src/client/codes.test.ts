import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { fullJitter } from './backoff'
import { closeCodes, closeMeaning } from './codes'

interface Published { code: number; reconnect: boolean; after_ms?: number }

const file = new URL('../../../events/testdata/close-codes.json', import.meta.url)
const published = JSON.parse(readFileSync(file, 'utf8')) as Published[]

it('reconnects after the close codes that the published table says, and no others', () => {
  expect(published.length).toBeGreaterThan(10)
  for (const { code, reconnect } of published) expect([code, closeMeaning(code).reconnect]).toEqual([code, reconnect])
  const made = [1005, 1006] // by browsers: no server sends them
  expect(Object.keys(closeCodes).map(Number).filter((code) => !made.includes(code))).toEqual(published.map(({ code }) => code).filter((code) => !made.includes(code)))
})

it('tries again after a code that it does not know, but not at once', () => {
  expect(closeMeaning(4999)).toEqual({ reconnect: true, after: 1_000, why: 'unknown_code' })
})

it('spreads attempts over all of a growing time, up to a limit', () => {
  const most = (attempt: number) => fullJitter(attempt, () => 0.999_999)
  expect([0, 1, 2, 3].map(most)).toEqual([499, 999, 1_999, 3_999])
  expect([20, 1e9].map(most)).toEqual([29_999, 29_999])
  expect(fullJitter(5, () => 0)).toBe(0)
})
