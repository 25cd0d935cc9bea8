import type { Case } from './list'

/** What one of the two said, and after how long. */
export interface Outcome { code: string; confidence: string; ms: number }

export interface Row { c: Case; page: Outcome; doctor: Outcome }

type Side = 'page' | 'doctor'

const right = (r: Row, side: Side) => r[side].code === r.c[side]
const wrong = (r: Row, side: Side) => !right(r, side) && r[side].confidence !== 'unknown'

function rate(rows: readonly Row[], fits: (r: Row) => boolean): string {
  const count = rows.filter(fits).length
  return `${String(count)} of ${String(rows.length)} (${(100 * count / Math.max(rows.length, 1)).toFixed(1)} %)`
}

const line = (r: Row) => (({ c, page, doctor }) => [
  c.name, page.code, page.confidence, right(r, 'page') ? 'yes' : `no, expected ${c.page}`, `${(page.ms / 1000).toFixed(1)} s`,
  doctor.code, doctor.confidence, right(r, 'doctor') ? 'yes' : `no, expected ${c.doctor}`, `${(doctor.ms / 1000).toFixed(1)} s`,
].join(' | '))(r)

// Only what is off the diagonal: the rest would be a table of one column.
function confusion(rows: readonly Row[], side: Side): string {
  const counts = new Map<string, number>()
  for (const r of rows) {
    if (right(r, side)) continue
    const key = `| ${side} | ${r.c[side]} | ${r[side].code} |`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return [...counts].map(([key, n]) => `${key} ${String(n)} |\n`).join('')
}

/** The report of a whole run. */
export function table(rows: readonly Row[]): string {
  const faults = rows.filter((r) => r.c.page !== 'healthy' || r.c.doctor !== 'healthy')
  const off = confusion(rows, 'page') + confusion(rows, 'doctor')
  const slowest = Math.max(...rows.map((r) => r.page.ms)) / 1000
  return `# How well the diagnosis names causes

Written by \`make faultlab\`: each fault is put between a real Chromium and a real server on
the same machine, by a small proxy, by nginx or by HAProxy, and the standalone page and
\`partyline doctor\` have to name it. What is expected is fixed beforehand in
\`web/e2e/faults/list.ts\`: for the page the finest class that a browser can tell apart, for the
terminal the exact fault. A fault that touches only one side must be called healthy by the other.

Not run, because the server has no such setting yet or the machine no such means: tokens,
ClickHouse unavailable, NATS unavailable, random loss, broken IPv6, Caddy, Firefox, WebKitGTK.

| | page | doctor |
|---|---|---|
| named-cause rate, all cases | ${rate(rows, (r) => right(r, 'page'))} | ${rate(rows, (r) => right(r, 'doctor'))} |
| named-cause rate, without what is healthy for both | ${rate(faults, (r) => right(r, 'page'))} | ${rate(faults, (r) => right(r, 'doctor'))} |
| false-cause rate (wrong, and not "unknown") | ${rate(rows, (r) => wrong(r, 'page'))} | ${rate(rows, (r) => wrong(r, 'doctor'))} |

The slowest verdict of the page took ${slowest.toFixed(1)} s.

| fault | page says | confidence | right | after | doctor says | confidence | right | after |
|---|---|---|---|---|---|---|---|---|
${rows.map((r) => `| ${line(r)} |`).join('\n')}

## Confusion matrix

Codes that were expected and given; what lies on the diagonal is left out.

${off === '' ? 'Nothing lies off the diagonal.\n' : `| side | expected | given | count |\n|---|---|---|---|\n${off}`}`
}
