import type { Evidence } from '../evidence'
import { answered } from '../facts'
import type { Finding } from '../finding'
import { fixes, programOf, type Fix, type Program } from '../fixes'
import { button, el } from './dom'

export const confidenceWords = { proved: 'proved', likely: 'likely', unknown: 'cause not certain' } as const
/** Shape and word: colour is not all that tells. */
export const severityWords = { critical: '✕ critical', warning: '! warning', info: '○ worth knowing' } as const

export interface FindingHost {
  detailed: boolean
  help: (code: string) => string
  copy: (text: string) => void
}

/** What was found, how sure it is, and what to do; without a title where the verdict says it already. */
export function drawFinding(f: Finding, e: Evidence, host: FindingHost, title = true): HTMLElement {
  return el('article', { class: 'pd-finding', 'data-severity': f.severity },
    title && el('h4', {}, f.title),
    el('p', { class: 'pd-quiet' }, el('span', { class: 'pd-severity' }, severityWords[f.severity]), `, ${confidenceWords[f.confidence]} · `, el('a', { href: host.help(f.code), target: '_blank', rel: 'noreferrer' }, f.code)),
    el('p', {}, f.advice.text),
    f.advice.command !== undefined && copyable(f.advice.command, host, 'Copy command'),
    f.advice.fix !== undefined && drawFix(f.advice.fix, e, host),
    host.detailed && el('ul', {}, ...f.evidence.map((line) => el('li', {}, line))))
}

function copyable(text: string, host: Pick<FindingHost, 'copy'>, label: string): HTMLElement {
  return el('div', { class: 'pd-code' }, el('pre', { tabindex: '0', role: 'group', 'aria-label': 'Text to copy' }, text), button(label, () => { host.copy(text) }))
}

// The tab of the program that seems to stand there is open.
function drawFix(name: string, e: Evidence, host: FindingHost): HTMLElement | undefined {
  const fix = fixes[name]
  if (!fix) return undefined
  const from = answered(e.route) ? e.route : answered(e.status) ? e.status : undefined
  return fixTabs(fix, programOf(from?.server ?? '', from?.via ?? ''), host)
}

/** Lines of configuration, a tab for each program. */
export function fixTabs(fix: Fix, guess: Program, host: Pick<FindingHost, 'copy'>): HTMLElement {
  const programs = Object.keys(fix) as Program[]
  const box = el('div', { class: 'pd-fix' })
  const show = (program: Program) => {
    box.replaceChildren(
      el('div', { class: 'pd-tabs', role: 'group', 'aria-label': 'Program' }, ...programs.map((p) => button(p === 'cloud' ? 'Cloud balancer' : p, () => { show(p) }, { 'aria-pressed': String(p === program) }))),
      copyable(fix[program] ?? '', host, 'Copy the fix'))
  }
  show(fix[guess] === undefined ? programs[0] ?? 'nginx' : guess)
  return box
}
