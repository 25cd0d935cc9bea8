import { ms } from '../facts'
import type { Mark, Timeline } from '../steps'
import { svg } from './dom'

const width = 640, left = 76, right = 12, lanes = { browser: 36, server: 92 }, height = 128

/** Two lanes on one clock; the break is drawn as a gap. */
export function drawTimeline(t: Timeline): SVGElement {
  const x = (at: number) => left + Math.min(Math.max(at / Math.max(t.end, 0.001), 0), 1) * (width - left - right)
  const label = `Timeline of ${ms(t.end)}. Browser: ${list(t.browser)}. Server: ${t.server.length === 0 ? 'nothing recorded' : list(t.server)}.`
  const picture = svg('svg', { class: 'pd-timeline', viewBox: `0 0 ${String(width)} ${String(height)}`, role: 'img', 'aria-label': label })
  for (const [name, y] of Object.entries(lanes)) {
    picture.append(svg('text', { x: '0', y: String(y + 4), class: 'pd-lane' }, name), svg('line', { x1: String(left), x2: String(width - right), y1: String(y), y2: String(y), class: 'pd-line' }))
  }
  if (t.gap) {
    const from = x(t.gap.from) + 6
    picture.append(svg('rect', { x: String(from), y: '22', width: String(Math.max(x(t.gap.to) - from, 8)), height: '84', class: 'pd-gap' }), svg('text', { x: String(Math.min(from + 6, width - 250)), y: '68', class: 'pd-gap-text' }, t.gap.words))
  }
  marks(picture, t.browser, lanes.browser, x, -14)
  marks(picture, t.server, lanes.server, x, 22)
  picture.append(svg('text', { x: String(left), y: String(height - 2), class: 'pd-lane' }, '0'), svg('text', { x: String(width - right), y: String(height - 2), class: 'pd-lane', 'text-anchor': 'end' }, ms(t.end)))
  return picture
}

const list = (marks: Mark[]): string => marks.map((m) => `${m.name} at ${ms(m.at)}${m.state === 'failed' ? ', failed' : ''}`).join('; ')

function marks(picture: SVGElement, list: Mark[], y: number, x: (at: number) => number, offset: number): void {
  let free = 0
  for (const m of list) {
    const at = x(m.at)
    const title = svg('title', {}, `${m.name}: ${ms(m.at)}${m.detail === '' ? '' : `, ${m.detail}`}`)
    // Shape and not colour alone tells what failed.
    picture.append(m.state === 'failed'
      ? svg('path', { d: `M${String(at - 5)} ${String(y - 5)}l10 10m0 -10l-10 10`, class: 'pd-mark-failed' }, title)
      : svg('circle', { cx: String(at), cy: String(y), r: '5', class: 'pd-mark' }, title))
    const room = m.name.length * 6.5
    const start = Math.min(at, width - right - room)
    if (start >= free) {
      picture.append(svg('text', { x: String(start), y: String(y + offset), class: 'pd-mark-text' }, m.name))
      free = start + room + 6
    }
  }
}
