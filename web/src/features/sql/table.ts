/** An answer to SQL: every cell is text. */
export interface Table {
  names: string[]
  types: string[]
  rows: string[][]
  /** Why the answer broke off; absent if it is whole. */
  broken?: string
}

// Numbers keep the digits that the server wrote: 64 bits do not fit a double.
const exact = (_key: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === 'number' && context?.source !== undefined ? context.source : value

const parse = JSON.parse as (text: string, reviver: typeof exact) => unknown

function cell(value: unknown): string {
  if (value === null) return 'NULL'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * Reads the format "compact": a line of names, one of types, then rows. An
 * object instead of a row is the error at which the server gave up; a line that
 * cannot be read is an answer that was cut off.
 */
export function parseTable(body: string): Table {
  const lines: unknown[] = []
  let broken: string | undefined
  for (const line of body.split('\n')) {
    if (line === '') continue
    try {
      lines.push(parse(line, exact))
    } catch {
      broken = 'The answer was cut off.'
      break
    }
    const last = lines.at(-1)
    if (Array.isArray(last)) continue
    lines.pop()
    const { error } = (last ?? {}) as { error?: unknown }
    broken = typeof error === 'string' ? error : 'The answer cannot be read.'
    break
  }
  const [names = [], types = [], ...rows] = (lines as unknown[][]).map((line) => line.map(cell))
  return { names, types, rows, ...(broken !== undefined && { broken }) }
}

const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/

/**
 * A cell of CSV (RFC 4180). A spreadsheet runs what begins with = + - @, a tab
 * or a line end, also after white space (OWASP, "CSV Injection"): such a cell
 * gets an apostrophe in front, plain numbers do not.
 */
export function csvCell(text: string): string {
  const safe = /^\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|^[\t\r\n]/.test(text) && !number.test(text) ? `'${text}` : text
  return /[",;\r\n\t']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** The table as CSV, with names in the first line. */
export const toCSV = ({ names, rows }: Table): string =>
  [names, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('')

/** The table as JSON: names, types and rows of text, so that equal names stay apart. */
export const toJSON = ({ names, types, rows }: Table): string => `${JSON.stringify({ names, types, rows })}\n`
