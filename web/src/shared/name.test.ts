import { expect, it } from 'vitest'
import { memoryStore } from '../client/store'
import { cleanName, loadName, saveName } from './name'

it.each(['', '   ', 'a\u202eb', 'a\u200bb', '\u200d', 'a\u200d', 'x'.repeat(33), 'a\nb', '\ud800'])('refuses %j', (name) => {
  expect(cleanName(name)).toBeNull()
})

it.each([[' ana ', 'ana'], ['e\u0301', 'é'], ['👩🏽‍🚀', '👩🏽‍🚀'], ['❤️‍🔥', '❤️‍🔥'], ['𝒳'.repeat(32), '𝒳'.repeat(32)], ['<b>', '<b>']])('takes %j', (name, clean) => {
  expect(cleanName(name)).toBe(clean)
})

it('makes a name once and keeps it', () => {
  const store = memoryStore()
  const made = loadName(store, { random: () => 0.5 })
  expect(made).toMatch(/^guest-[a-z0-9]{6}$/)
  expect(loadName(store, { random: () => 0.1 })).toBe(made)
  saveName(store, 'ana')
  expect(loadName(store, { random: () => 0.1 })).toBe('ana')
})
