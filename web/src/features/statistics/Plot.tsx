import { useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import styles from './Statistics.module.css'
import { words } from './words'

export interface Line { label: string; values: (number | null)[]; /** A variable of tokens.css. */ color: string; dash?: number[] }

const height = 190

/** A time series with a legend that reads out the point under the pointer, and its numbers as a table. */
export function Plot({ title, unit, t, lines, max }: { title: string; unit: string; t: number[]; lines: Line[]; max?: number }) {
  const at = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(null)
  const shape = JSON.stringify([unit, max ?? null, lines.map(({ label, color, dash }) => [label, color, dash ?? null])])
  useEffect(() => {
    const element = at.current
    if (!element) return
    const made = new uPlot(optionsOf(element, shape), [[]], element)
    plot.current = made
    const redraw = () => { made.redraw() }
    const size = new ResizeObserver(() => { made.setSize({ width: element.clientWidth, height }) })
    size.observe(element)
    const theme = new MutationObserver(redraw)
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    const dark = window.matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', redraw)
    return () => {
      size.disconnect()
      theme.disconnect()
      dark.removeEventListener('change', redraw)
      made.destroy()
      plot.current = null
    }
  }, [shape])
  useEffect(() => { plot.current?.setData([t, ...lines.map((line) => line.values)] as uPlot.AlignedData) }, [shape, t, lines])
  return (
    <figure className={styles.plot}>
      <figcaption>{title} <span className={styles.quiet}>({unit})</span></figcaption>
      <div ref={at} aria-hidden="true" />
      <Numbers title={title} t={t} lines={lines} />
    </figure>
  )
}

function Numbers({ title, t, lines }: { title: string; t: number[]; lines: Line[] }) {
  const rows = t.map((_, i) => i).filter((i) => lines.some(({ values }) => values[i])).toReversed().slice(0, 300)
  return (
    <details>
      <summary>{words.asTable}</summary>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={title}>
        <table className={styles.table}>
          <thead><tr><th scope="col">{words.time}</th>{lines.map(({ label }) => <th key={label} scope="col">{label}</th>)}</tr></thead>
          <tbody>{rows.map((i) => (
            <tr key={i}><td>{new Date((t[i] ?? 0) * 1000).toLocaleString()}</td>{lines.map(({ label, values }) => <td key={label}>{show(values[i] ?? null)}</td>)}</tr>
          ))}</tbody>
        </table>
      </div>
    </details>
  )
}

const show = (value: number | null): string => (value === null ? '–' : String(Math.round(value * 100) / 100))

// A point between two gaps is on no line.
const alone: uPlot.Series.Points.Filter = ({ data }, series) =>
  [...(data[series] ?? [])].flatMap((value, i, all) => (value != null && all[i - 1] == null && all[i + 1] == null ? [i] : []))

function optionsOf(element: HTMLElement, shape: string): uPlot.Options {
  const [unit, max, lines] = JSON.parse(shape) as [string, number | null, [string, string, number[] | null][]]
  const color = (name: string) => () => {
    element.style.color = `var(${name})`
    return getComputedStyle(element).color
  }
  const axis: uPlot.Axis = { stroke: color('--quiet'), grid: { stroke: color('--line'), width: 1 }, ticks: { stroke: color('--line'), width: 1 } }
  return {
    width: element.clientWidth || 300, height, legend: { markers: { stroke: (_, i) => `var(${lines[i - 1]?.[1] ?? '--ink'})` } },
    scales: { y: { range: (_, _low, high) => [0, max ?? Math.max(1, (Number.isFinite(high) ? high : 1) * 1.1)] } },
    axes: [axis, { ...axis, size: 52 }],
    series: [
      { label: words.time },
      ...lines.map(([label, name, dash]): uPlot.Series => ({
        label, stroke: color(name), width: 2, ...(dash && { dash }), points: { size: 5, show: true, filter: alone }, value: (_, value: number | null) => (value === null ? '–' : `${show(value)} ${unit.startsWith('per') ? '' : unit}`),
      })),
    ],
  }
}
