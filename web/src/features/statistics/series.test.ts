import { describe, expect, it } from 'vitest'
import { columnsOf, endedAt, isCliff } from './series'

const point = (t: string, succeeded: number, refused = 0) =>
  ({ t, attempts: succeeded + refused, succeeded, refused, failed: 0, abandoned: 0, closes: 0, abnormal_closes: 0, handshake_avg_us: 2000 })

describe('columnsOf', () => {
  it('fills what the server leaves out, on its grid', () => {
    const columns = columnsOf({ since: '2026-01-01T00:03:00Z', until: '2026-01-01T00:25:00Z', step_s: 300,
      points: [point('2026-01-01T00:05:00Z', 3, 1), point('2026-01-01T00:20:00Z', 0, 2)] })
    const start = Date.parse('2026-01-01T00:00:00Z') / 1000
    expect(columns.t).toEqual([0, 300, 600, 900, 1200].map((s) => start + s))
    expect(columns.succeeded).toEqual([0, 3, 0, 0, 0])
    expect(columns.refused).toEqual([0, 1, 0, 0, 2])
    expect(columns.rate).toEqual([null, 75, null, null, 0])
    expect(columns.handshake).toEqual([null, 2, null, null, 2])
  })
  it('takes a range without points, and one that cannot be', () => {
    expect(columnsOf({ since: '2026-01-01T00:00:00Z', until: '2026-01-01T00:02:00Z', step_s: 60, points: [] }).succeeded).toEqual([0, 0])
    expect(columnsOf({ since: '2026-01-01T00:00:00Z', until: 'x', step_s: 0, points: [] }).t).toEqual([])
  })
})

describe('endedAt', () => {
  it('finds a cliff at its age alone', () => {
    const rows = [{ age_s: 10, ended: 40 }, { age_s: 59.6, ended: 50 }, { age_s: 60.8, ended: 10 }, { age_s: 64, ended: 1 }]
    expect(endedAt(rows, 60)).toEqual({ count: 60, share: 60 / 101 })
    expect(isCliff(endedAt(rows, 60))).toBe(true)
    expect(isCliff(endedAt(rows, 100))).toBe(false)
    expect(isCliff({ count: 4, share: 1 })).toBe(false)
    expect(endedAt([], 30)).toEqual({ count: 0, share: 0 })
  })
})
