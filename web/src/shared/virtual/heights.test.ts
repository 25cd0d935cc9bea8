import { describe, expect, it } from 'vitest'
import { Heights } from './heights'

// A small generator, so that every run sees the same lists.
function random(seed: number): () => number {
  let x = seed
  return () => (x = (x * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
}

describe('heights', () => {
  it('agree with plain sums, whatever is appended, put before, trimmed and measured', () => {
    const next = random(7)
    const known = new Map<number, number>()
    let keys: number[] = []
    const heights = new Heights(40)
    for (let round = 0; round < 300; round++) {
      const kind = Math.floor(next() * 4)
      const first = keys[0] ?? 10_000
      const last = keys.at(-1) ?? 10_000
      if (kind === 0) keys = [...keys, ...Array.from({ length: 5 }, (_, i) => last + 2 + i * 3)]
      if (kind === 1) keys = [...Array.from({ length: 4 }, (_, i) => first - 20 + i * 2), ...keys]
      if (kind === 2) keys = keys.slice(Math.floor(next() * 4))
      heights.sync(keys.length, (i) => keys[i] ?? 0)
      if (keys.length === 0) continue
      const i = Math.floor(next() * keys.length)
      const height = Math.floor(next() * 100) + 1
      heights.set(i, height)
      known.set(keys[i] ?? 0, height)
      const all = keys.map((key) => known.get(key) ?? 40)
      const sums = all.reduce<number[]>((list, h) => [...list, (list.at(-1) ?? 0) + h], [0])
      expect(heights.total).toBeCloseTo(sums.at(-1) ?? 0)
      expect(heights.offset(i)).toBeCloseTo(sums[i] ?? 0)
      expect(heights.find((sums[i] ?? 0) + 0.5)).toBe(i)
      expect(heights.indexOf(keys[i] ?? 0)).toBe(i)
      // A key that is gone may come back unmeasured.
      for (const key of known.keys()) if (!keys.includes(key)) known.delete(key)
    }
  })

  it('stay inside the list', () => {
    const heights = new Heights(10)
    expect([heights.find(5), heights.total, heights.indexOf(3)]).toEqual([0, 0, 0])
    heights.sync(3, (i) => i)
    expect([heights.find(-5), heights.find(29), heights.find(1e9), heights.indexOf(99)]).toEqual([0, 2, 2, 2])
    expect(heights.set(9, 5)).toBe(false)
  })
})
