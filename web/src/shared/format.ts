/** The parts of a message's time that the page shows; empty if it cannot be read. */
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const precise = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const older = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' })

const readable = (ms: number): boolean => Number.isFinite(ms) && Math.abs(ms) < 8.64e15

/** The local hour and minute of an RFC 3339 time or of milliseconds since 1970. */
export const clock = (when: string | number): string => show(time, when)

export const clockSeconds = (when: string | number): string => show(precise, when)

export const fullTime = (when: string | number): string => show(full, when)

function show(format: Intl.DateTimeFormat, when: string | number): string {
  const ms = typeof when === 'number' ? when : Date.parse(when)
  return readable(ms) ? format.format(ms) : ''
}

/** A number for the local day of an RFC 3339 time or of milliseconds since 1970; NaN if it cannot be read. */
export function dayOf(when: string | number): number {
  const date = new Date(when)
  return Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000)
}

/** A day in words; today is the day of the server's clock. */
export function dayWords(ts: string, today: number, words: { today: string; yesterday: string }): string {
  const ms = Date.parse(ts)
  if (!readable(ms)) return ''
  const ago = today - dayOf(ts)
  if (ago === 0) return words.today
  if (ago === 1) return words.yesterday
  return (ago > 0 && ago < 300 ? weekday : older).format(ms)
}

/** A length of time in its two largest units: "3 d 4 h", "5 min 2 s". */
export function duration(seconds: number): string {
  const units: [string, number][] = [['d', 86_400], ['h', 3_600], ['min', 60], ['s', 1]]
  let rest = Math.max(0, Math.floor(seconds))
  const parts: string[] = []
  for (const [unit, size] of units) {
    const n = Math.floor(rest / size)
    rest %= size
    if (n > 0 || (unit === 's' && parts.length === 0)) parts.push(`${String(n)} ${unit}`)
  }
  return parts.slice(0, 2).join(' ')
}

/** Counts code points, as the server does. */
export function codePoints(text: string): number {
  let n = 0
  for (const _ of text) n++
  return n
}

/**
 * A name as it is shown: a server or an old log may hold what is refused today.
 * Invisible and reversing characters are left out, except in emoji sequences.
 */
export function shownName(name: string): string {
  const clean = name.slice(0, 200).replace(/[\p{Cc}\p{Cs}]|(?!\u200d)\p{Cf}|\u200d(?!\p{Extended_Pictographic})/gu, '').trim()
  return clean.slice(0, 64)
}
