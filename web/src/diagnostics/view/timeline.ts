import { ms } from '../facts'
import type { Mark, Timeline } from '../steps'
import { svg } from './dom'

const left = 64, right = 14, row = 14, letter = 6.4
const rows = 3 // of labels that do not fit beside each other
const browserY = 14 + rows * row, serverY = browserY + 48, height = serverY + rows * row + 22

/**
 * Two lanes on one clock; the break is drawn as a gap.
 *
 * @param width in pixels, so that texts keep their size on narrow screens
 */
export function drawTimeline(t: Timeline, width = 640): SVGElement {
  const x = (at: number) => left + Math.min(Math.max(at / Math.max(t.end, 0.001), 0), 1) * (width - left - right)
  const label = `Timeline of ${ms(t.end)}. Browser: ${list(t.browser)}. Server: ${list(t.server)}.`
  const picture = svg('svg', { class: 'pd-timeline', viewBox: `0 0 ${String(width)} ${String(height)}`, role: 'img', 'aria-label': label })
  if (t.gap) drawGap(picture, t.gap, x, width)
  for (const [name, y, lane] of [['browser', browserY, t.browser], ['server', serverY, t.server]] as const) {
    picture.append(svg('text', { x: '0', y: String(y + 4), class: 'pd-lane' }, name), svg('line', { x1: String(left), x2: String(width - right), y1: String(y), y2: String(y), class: lane.length === 0 ? 'pd-line pd-line-empty' : 'pd-line' }))
    marks(picture, lane, y, x, width, name === 'browser' ? -1 : 1)
  }
  if (t.server.length === 0) picture.append(svg('text', { x: String(left), y: String(serverY + 18), class: 'pd-lane' }, 'nothing recorded'))
  picture.append(svg('text', { x: String(left), y: String(height - 3), class: 'pd-lane' }, '0'), svg('text', { x: String(width - right), y: String(height - 3), class: 'pd-lane', 'text-anchor': 'end' }, ms(t.end)))
  return picture
}

const list = (marks: Mark[]): string => marks.length === 0 ? 'nothing recorded' : marks.map((m) => `${m.name} at ${ms(m.at)}${m.state === 'failed' ? ', failed' : ''}`).join('; ')

function drawGap(picture: SVGElement, gap: NonNullable<Timeline['gap']>, x: (at: number) => number, width: number): void {
  const from = x(gap.from) + 8
  const to = Math.max(x(gap.to) - 8, from + 8)
  const middle = (browserY + serverY) / 2
  picture.append(
    svg('rect', { x: String(from), y: String(browserY - 8), width: String(to - from), height: String(serverY - browserY + 16), class: 'pd-gap' }),
    svg('text', { x: String(Math.max(left, Math.min(from + 6, width - right - gap.words.length * letter))), y: String(middle + 4), class: 'pd-gap-text' }, gap.words))
}

interface Label { at: number; text: string }

// Marks at nearly one place share a label.
function labels(lane: Mark[], x: (at: number) => number): Label[] {
  const groups: Mark[][] = []
  for (const m of lane) {
    const group = groups.at(-1), last = group?.at(-1)
    if (group && last && last.state === m.state && x(m.at) - x(last.at) < 10) group.push(m)
    else groups.push([m])
  }
  return groups.map((group) => {
    const [first, last] = [group[0], group.at(-1)]
    return { at: x(first?.at ?? 0), text: group.length > 1 ? `${first?.name ?? ''} … ${last?.name ?? ''}` : first?.name ?? '' }
  })
}

// Labels that would overlap go to further rows, away from the other lane.
function marks(picture: SVGElement, lane: Mark[], y: number, x: (at: number) => number, width: number, away: 1 | -1): void {
  const free: number[] = Array.from({ length: rows }, () => 0)
  for (const { at, text } of labels(lane, x)) {
    const room = text.length * letter
    const start = Math.min(at, width - right - room)
    const level = free.findIndex((end) => start >= end)
    if (level < 0) continue
    const labelY = y + away * (10 + level * row) + (away > 0 ? 8 : 0)
    free[level] = start + room + 8
    if (level > 0) picture.append(svg('line', { x1: String(at), x2: String(at), y1: String(y), y2: String(labelY - (away > 0 ? 9 : -2)), class: 'pd-leader' }))
    picture.append(svg('text', { x: String(start), y: String(labelY), class: 'pd-mark-text' }, text))
  }
  for (const m of lane) {
    const at = x(m.at)
    const title = svg('title', {}, `${m.name}: ${ms(m.at)}${m.detail === '' ? '' : `, ${m.detail}`}`)
    // Shape and not colour alone tells what failed.
    picture.append(m.state === 'failed'
      ? svg('path', { d: `M${String(at - 5)} ${String(y - 5)}l10 10m0 -10l-10 10`, class: 'pd-mark-failed' }, title)
      : svg('circle', { cx: String(at), cy: String(y), r: '5', class: 'pd-mark' }, title))
  }
}
