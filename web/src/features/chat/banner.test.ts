import { describe, expect, it } from 'vitest'
import { parseStatus } from '../../shared/server'
import { bannerWords, clockWords, type Facts } from './banner'

const facts = (more: Partial<Facts>): Facts => ({ state: { name: 'waiting', until: 3_000, why: 'cut' }, why: 'cut', network: true, server: undefined, now: 0, ...more })

describe('the banner', () => {
  it('is silent while connected', () => {
    expect(bannerWords(facts({ state: { name: 'online' }, network: false }))).toBeNull()
  })
  it.each([
    ['the network', { network: false }, /network is offline/, false],
    ['an update', { state: { name: 'waiting', until: 2_500, why: 'drain' }, why: 'drain' }, /in 3 s: the server closed for an update/, false],
    ['a cut', {}, /something between here and the server/, true],
    ['a dead server', { server: null }, /does not answer at all/, true],
    ['a server that answers', { server: parseStatus({ status: 'ok' }) }, /the chat connection that does not come through/, true],
    ['a draining server', { server: parseStatus({ status: 'draining' }) }, /is closing for an update/, true],
    ['a policy', { state: { name: 'connecting', why: 'policy' }, why: 'policy' }, /security policy/, true],
    ['a final refusal', { state: { name: 'stopped', why: 'kicked' }, why: 'kicked' }, /removed by a moderator/, false],
    ['a time that is over', { now: 99_000 }, /^Reconnecting: /, true],
  ] as const)('knows %s', (_, more, words, diagnose) => {
    const banner = bannerWords(facts(more))
    expect(banner?.words).toMatch(words)
    expect(banner?.diagnose).toBe(diagnose)
  })
})

it('notices a clock that is off', () => {
  const seconds = (s: number) => `${String(s)} s`
  expect(clockWords(80, null, seconds)).toBe('')
  expect(clockWords(100, null, seconds)).toContain('120 s behind')
  expect(clockWords(-100, null, seconds)).toContain('120 s ahead')
  expect(clockWords(7_201, 7_200, seconds)).toBe('')
  expect(clockWords(-7_200, 7_200, seconds)).toContain('7200 s ahead')
})
