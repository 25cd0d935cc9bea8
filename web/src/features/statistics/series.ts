import type { Point, Series } from '../../shared/statistics'

/** Columns for a plot: seconds since 1970, and values of equal length. */
export interface Columns { t: number[]; succeeded: number[]; refused: number[]; failed: number[]; abandoned: number[]; rate: (number | null)[]; handshake: (number | null)[] }

const maxPoints = 3000

/** Fills the points that the server leaves out: nothing happened in them, so they have no rate. */
export function columnsOf({ since, until, step_s: step, points }: Series): Columns {
  const columns: Columns = { t: [], succeeded: [], refused: [], failed: [], abandoned: [], rate: [], handshake: [] }
  const byTime = new Map<number, Point>(points.map((point) => [Date.parse(point.t) / 1000, point]))
  const [from, to, first] = [Date.parse(since) / 1000, Date.parse(until) / 1000, byTime.keys().next().value ?? 0]
  if (!(step > 0) || !Number.isFinite(to - from)) return columns
  // The server's points lie on its own grid.
  const start = first - Math.ceil(Math.max(0, first - from) / step) * step
  for (let t = byTime.size === 0 ? from : start; t < to && columns.t.length < maxPoints; t += step) {
    const p = byTime.get(t)
    columns.t.push(t)
    columns.succeeded.push(p?.succeeded ?? 0)
    columns.refused.push(p?.refused ?? 0)
    columns.failed.push(p?.failed ?? 0)
    columns.abandoned.push(p?.abandoned ?? 0)
    const decided = p ? p.succeeded + p.refused + p.failed + p.abandoned : 0
    columns.rate.push(p && decided > 0 ? (p.succeeded / decided) * 100 : null)
    columns.handshake.push(p && p.handshake_avg_us > 0 ? p.handshake_avg_us / 1000 : null)
  }
  return columns
}

/** The share of all ended connections that ended within 5 % of an age. */
export function endedAt(survival: readonly { age_s: number; ended: number }[], age: number): { share: number; count: number } {
  const all = survival.reduce((sum, row) => sum + row.ended, 0)
  const count = survival.filter((row) => Math.abs(row.age_s - age) <= age * 0.05).reduce((sum, row) => sum + row.ended, 0)
  return { count, share: all === 0 ? 0 : count / all }
}

/** Whether so many are more than chance would put there. */
export const isCliff = ({ share, count }: { share: number; count: number }): boolean => count >= 5 && share >= 0.05
