import { expect, it } from 'vitest'
import { clock, codePoints, dayOf, dayWords, duration, shownName } from './format'

const words = { today: 'T', yesterday: 'Y' }

it('names days by the clock of the server', () => {
  const now = dayOf(new Date(2026, 4, 10, 0, 5).getTime())
  expect(dayWords(new Date(2026, 4, 10, 0, 1).toISOString(), now, words)).toBe('T')
  expect(dayWords(new Date(2026, 4, 9, 23, 59).toISOString(), now, words)).toBe('Y')
  expect(dayWords(new Date(2026, 4, 8).toISOString(), now, words)).toContain('8')
  expect(dayWords(new Date(2025, 4, 8).toISOString(), now, words)).toContain('2025')
  expect(dayWords('nonsense', now, words)).toBe('')
})

it('shows nothing for a time that cannot be read', () => {
  expect([clock('x'), clock(NaN), clock(1e30), clock(Infinity)]).toEqual(['', '', '', ''])
})

it('says lengths of time in two units', () => {
  expect([0, 59, 61, 3_600, 90_061, -5].map(duration)).toEqual(['0 s', '59 s', '1 min 1 s', '1 h', '1 d 1 h', '0 s'])
})

it('counts code points as the server does', () => {
  expect(['', 'aé', '👩🏽‍🚀', '\ud800a'].map(codePoints)).toEqual([0, 2, 4, 2])
})

it('shows names without invisible and reversing characters', () => {
  expect(shownName('\u202eana\u200b\u0000')).toBe('ana')
  expect(shownName('👩‍🚀 בן')).toBe('👩‍🚀 בן')
  expect(shownName('a\u200db')).toBe('ab')
  expect(shownName('x'.repeat(500))).toHaveLength(64)
})
