import styles from './Sql.module.css'
import { toCSV, toJSON, type Table } from './table'
import { words } from './words'

// What a browser lays out without a pause.
const maxShown = 500

/** An answer as a table of text. */
export function Result({ table }: { table: Table }) {
  const { names, types, rows, broken } = table
  return (
    <section className={styles.result}>
      {broken !== undefined && <p role="alert" className={styles.problem}>{words.broken(broken)}</p>}
      <div className={styles.bar}>
        <span role="status">{rows.length === 0 ? words.empty : words.rows(rows.length)}</span>
        <button type="button" onClick={() => { save('answer.csv', 'text/csv;charset=utf-8', toCSV(table)) }}>{words.csv}</button>
        <button type="button" onClick={() => { save('answer.json', 'application/json', toJSON(table)) }}>{words.json}</button>
      </div>
      {rows.length > maxShown && <p className={styles.quiet}>{words.shown(maxShown, rows.length)}</p>}
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={words.result}>
        <table className={styles.table}>
          <thead><tr>{names.map((name, i) => <th key={i} scope="col" title={types[i]}>{name}</th>)}</tr></thead>
          <tbody>{rows.slice(0, maxShown).map((row, i) => <tr key={i}>{row.map((text, j) => <td key={j}>{text.slice(0, 1000)}</td>)}</tr>)}</tbody>
        </table>
      </div>
    </section>
  )
}

function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => { URL.revokeObjectURL(url) }, 10_000)
}
