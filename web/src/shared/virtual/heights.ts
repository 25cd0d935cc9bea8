/**
 * The heights of a list of rows, by keys in growing order: measured ones where
 * the row was on the screen, an estimate elsewhere. A Fenwick tree answers where
 * a row begins and which row is at a height in logarithmic time, so that
 * 100,000 rows cost no more than 100.
 */
export class Heights {
  private readonly estimate: number
  private keys: number[] = []
  private heights: number[] = []
  private tree: number[] = [0] // tree[i]: the sum of the last (i & -i) heights up to row i-1

  constructor(estimate: number) {
    this.estimate = estimate
  }

  get count(): number {
    return this.keys.length
  }

  get total(): number {
    return this.offset(this.keys.length)
  }

  /** Takes the rows as they are now; known heights stay with their keys. */
  sync(count: number, keyAt: (i: number) => number): void {
    const old = this.keys.length
    const grows = count >= old && old > 0 && keyAt(0) === this.keys[0] && keyAt(old - 1) === this.keys[old - 1]
    if (!grows) this.rebuild(count, keyAt)
    else for (let i = old; i < count; i++) this.push(keyAt(i), this.estimate)
  }

  /** The pixels above row i. */
  offset(i: number): number {
    let sum = 0
    for (let at = Math.min(i, this.keys.length); at > 0; at -= at & -at) sum += this.tree[at] ?? 0
    return sum
  }

  /** The row at a height; the first or last one beyond the ends. */
  find(y: number): number {
    let at = 0
    let rest = y
    for (let step = 2 ** Math.floor(Math.log2(Math.max(this.keys.length, 1))); step >= 1; step /= 2) {
      const sum = this.tree[at + step]
      if (at + step > this.keys.length || sum === undefined || sum > rest) continue
      at += step
      rest -= sum
    }
    return Math.max(0, Math.min(at, this.keys.length - 1))
  }

  /** The row of a key, or the first one after it. */
  indexOf(key: number): number {
    let low = 0
    let high = this.keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.keys[middle] ?? 0) < key) low = middle + 1
      else high = middle
    }
    return Math.min(low, Math.max(0, this.keys.length - 1))
  }

  keyAt(i: number): number | undefined {
    return this.keys[i]
  }

  /** Notes a measured height; returns whether it is another one. */
  set(i: number, height: number): boolean {
    const before = this.heights[i]
    if (before === undefined || Math.abs(before - height) < 0.01) return false
    this.heights[i] = height
    for (let at = i + 1; at <= this.keys.length; at += at & -at) this.tree[at] = (this.tree[at] ?? 0) + height - before
    return true
  }

  private rebuild(count: number, keyAt: (i: number) => number): void {
    const { keys, heights } = this
    this.keys = []
    this.heights = []
    this.tree = [0]
    let old = 0
    for (let i = 0; i < count; i++) {
      const key = keyAt(i)
      while (old < keys.length && (keys[old] ?? 0) < key) old++
      this.push(key, keys[old] === key ? (heights[old] ?? this.estimate) : this.estimate)
    }
  }

  private push(key: number, height: number): void {
    this.keys.push(key)
    this.heights.push(height)
    const at = this.keys.length
    let sum = height
    for (let part = at - 1, end = at - (at & -at); part > end; part -= part & -part) sum += this.tree[part] ?? 0
    this.tree.push(sum)
  }
}
