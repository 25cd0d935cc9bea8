import type { FindingCode } from '../codes'
import { findingCodes } from '../codes'
import type { Evidence } from '../evidence'
import type { Advice, Confidence, Finding, Severity } from '../finding'

/** What a row says; its code, and so its kind, are the row's. */
export interface Says {
  code?: FindingCode
  severity: Severity
  confidence: Confidence
  title: string
  evidence: string[]
  advice: Advice
}

/** One row of a table: undefined when the evidence does not fit. */
export interface Row {
  code: FindingCode
  /** What the row asks for, for people who read the table. */
  when: string
  judge: (e: Evidence) => Says | undefined
}

/** Makes the finding of a row. */
export function finding(row: Row, says: Says): Finding {
  const code = says.code ?? row.code
  return { ...says, code, kind: findingCodes[code] }
}

/** The first row that fits decides. */
export function first(rows: readonly Row[], e: Evidence): Finding[] {
  for (const row of rows) {
    const says = row.judge(e)
    if (says) return [finding(row, says)]
  }
  return []
}

/** Every row that fits counts. */
export function all(rows: readonly Row[], e: Evidence): Finding[] {
  return rows.flatMap((row) => {
    const says = row.judge(e)
    return says ? [finding(row, says)] : []
  })
}
