import type { Evidence } from './evidence'
import { works } from './facts'
import type { Finding, Verdict } from './finding'
import { sortFindings } from './finding'
import { browserNotes, browserRows } from './rules/browser'
import { closedRows, closeLostRow } from './rules/closed'
import { apiNotes, earlierRows, longRows, qualityNotes } from './rules/notes'
import { pathRows } from './rules/path'
import { postureRows, serverPosture } from './rules/posture'
import { refusedRow } from './rules/refused'
import { all, first, type Row } from './rules/rule'

/** Why the connection fails: the first row that fits decides. */
export const causeRows: readonly Row[] = [...browserRows, refusedRow, ...closedRows, ...pathRows]

/** What is worth saying besides: every row that fits counts. */
export const noteRows: readonly Row[] = [closeLostRow, ...apiNotes, ...qualityNotes, ...longRows, ...browserNotes]

/** Judges the evidence. The worst and surest finding comes first. */
export function diagnose(e: Evidence): Finding[] {
  const causes = works(e.attempt) ? [] : first(causeRows, e)
  const found = [
    ...causes, ...all(noteRows, e), ...first(earlierRows, e), ...all(postureRows, e), ...serverPosture(e),
  ]
  return sortFindings(found.filter((f, i) => f.code === 'server_posture' || found.findIndex((other) => other.code === f.code) === i))
}

/** The one sentence. Only findings about the connection count. */
export function verdict(e: Evidence, findings: readonly Finding[]): Verdict {
  const worst = findings.find((f) => f.kind === 'connection' && f.severity !== 'info')
  if (worst) return { code: worst.code, sentence: worst.title, severity: worst.severity, confidence: worst.confidence }
  if (works(e.attempt)) return { code: 'healthy', sentence: 'The connection works.', severity: 'ok', confidence: 'proved' }
  return { code: 'incomplete', sentence: 'The diagnosis was not finished.', severity: 'info', confidence: 'unknown' }
}
