import { setHashQuery } from '../hashQuery'
import styles from './Filters.module.css'

export interface Choice { value: string; label: string }

/** Ranges up to now, as the server reads them. The second is the default. */
export const ranges: readonly Choice[] = [
  { value: '1h', label: 'Last hour' }, { value: '24h', label: 'Last 24 hours' }, { value: '15m', label: 'Last 15 minutes' }, { value: '6h', label: 'Last 6 hours' },
  { value: '168h', label: 'Last 7 days' }, { value: '720h', label: 'Last 30 days' }, { value: '8760h', label: 'Last year' },
].toSorted((a, b) => hours(a.value) - hours(b.value))

function hours(text: string): number {
  const n = Number.parseInt(text, 10)
  return text.endsWith('m') ? n / 60 : n
}

/** A filter that lives in the address. What the address says is always among the choices. */
export function Filter({ name, label, value, choices, all }: {
  name: string
  label: string
  value: string
  choices: readonly Choice[]
  /** The choice that removes the filter; none: there is always one. */
  all?: string
}) {
  const known = value === '' || choices.some((choice) => choice.value === value)
  return (
    <label className={styles.filter}>
      <span>{label}</span>
      <select value={value} onChange={(event) => { setHashQuery(name, event.target.value) }}>
        {all !== undefined && <option value="">{all}</option>}
        {!known && <option value={value}>{value.slice(0, 100)}</option>}
        {choices.map((choice) => <option key={choice.value} value={choice.value}>{choice.label}</option>)}
      </select>
    </label>
  )
}
