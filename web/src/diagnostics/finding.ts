import type { FindingCode } from './codes'

export type Severity = 'info' | 'warning' | 'critical'
export type Confidence = 'proved' | 'likely' | 'unknown'
/** The verdict uses findings about the connection only. */
export type Kind = 'connection' | 'posture'

/** What to change. */
export interface Advice {
  text: string
  /** Names snippets of fixes.ts that solve it. */
  fix?: string
  /** A command to be run elsewhere that can tell more. */
  command?: string
}

export interface Finding {
  code: FindingCode
  kind: Kind
  severity: Severity
  confidence: Confidence
  /** One sentence, for people. */
  title: string
  /** What was seen that says so. */
  evidence: string[]
  advice: Advice
}

const severities: Severity[] = ['critical', 'warning', 'info']
const confidences: Confidence[] = ['proved', 'likely', 'unknown']

/** Orders findings: the worst first, then the surest; else as they were. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  return [...findings].sort((a, b) =>
    severities.indexOf(a.severity) - severities.indexOf(b.severity)
    || confidences.indexOf(a.confidence) - confidences.indexOf(b.confidence))
}

export interface Verdict {
  code: FindingCode | 'healthy' | 'incomplete'
  sentence: string
  severity: Severity | 'ok'
  confidence: Confidence
}
