const count = new Intl.NumberFormat('en')
const exact = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 })

/** A whole number with groups of digits. */
export const whole = (n: number): string => count.format(n)

/** A share of 1 as percent. 100 % and 0 % are never rounded to. */
export function percent(share: number): string {
  if (share <= 0) return '0 %'
  if (share >= 1) return '100 %'
  return `${Math.min(99.9, Math.max(0.1, share * 100)).toFixed(1)} %`
}

/** A length of time given in microseconds, with three digits. */
export function micros(us: number): string {
  const steps: [number, string][] = [[3.6e9, 'h'], [6e7, 'min'], [1e6, 's'], [1e3, 'ms']]
  const [size, unit] = steps.find(([least]) => us >= least) ?? [1, 'µs']
  return `${exact.format(us / size)} ${unit}`
}
