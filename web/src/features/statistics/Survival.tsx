import type { Summary } from '../../shared/statistics'
import { micros, percent } from '../../shared/units'
import { endedAt, isCliff } from './series'
import styles from './Statistics.module.css'
import { Table } from './Tables'
import { cliffs, words as w } from './words'

const [left, right, top, bottom] = [50, 690, 34, 230]
const [youngest, oldest] = [0.01, 100_000] // seconds, the ends of the axis
const ticks = [0.1, 1, 10, 1_000, 10_000]

const x = (age: number) => left + ((right - left) * Math.log(Math.min(oldest, Math.max(youngest, age)) / youngest)) / Math.log(oldest / youngest)
const y = (share: number) => bottom - (bottom - top) * share

/** Which share of connections becomes how old, with the ages at which time-outs cut. */
export function Survival({ survival }: { survival: NonNullable<Summary['survival']> }) {
  const found = cliffs.map((cliff) => ({ ...cliff, ...endedAt(survival, cliff.age) }))
  return (
    <section aria-label={w.survival}>
      <h2>{w.survival}</h2>
      <p className={styles.quiet}>{survival.length === 0 ? w.noAges : w.survivalNote}</p>
      {survival.length > 0 && <>
        <svg className={styles.curve} viewBox="0 0 700 260" aria-hidden="true">
          {[0, 0.5, 1].map((share) => <g key={share}><line className={styles.grid} x1={left} x2={right} y1={y(share)} y2={y(share)} /><text x={left - 8} y={y(share) + 4} textAnchor="end">{share * 100} %</text></g>)}
          {ticks.map((age) => <text key={age} x={x(age)} y={bottom + 20} textAnchor="middle">{micros(age * 1e6)}</text>)}
          {found.map((cliff, i) => (
            <g key={cliff.age}>
              <line className={isCliff(cliff) ? styles.deep : styles.cliff} x1={x(cliff.age)} x2={x(cliff.age)} y1={top} y2={bottom} />
              <text className={isCliff(cliff) ? styles.deepText : undefined} x={x(cliff.age)} y={top - 6 - (i % 2) * 14} textAnchor="middle">{cliff.age} s</text>
            </g>
          ))}
          <path className={styles.line} d={`M${String(left)} ${String(top)}${survival.map((row) => `H${x(row.age_s).toFixed(1)}V${y(row.surviving).toFixed(1)}`).join('')}`} />
        </svg>
        <Table title={w.culprits} head={[w.age, w.found, w.culprits]} rows={found.map((cliff) => [`${String(cliff.age)} s`, isCliff(cliff) ? w.cliff(percent(cliff.share)) : w.noCliff, cliff.culprit])} />
      </>}
    </section>
  )
}
