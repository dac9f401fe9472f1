/** Numbers for people. */

export function grouped(value: number): string {
  return value.toLocaleString('en')
}

/** Three digits that mean something: 0.123, 1.23, 12.3, 1,234. */
export function digits(value: number): string {
  if (value === 0) return '0'
  if (value >= 100) return grouped(Math.round(value))
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3)
}

export function percent(share: number): string {
  return `${String(Math.round(share * 100))} %`
}

/** Labels of an axis, all in the same unit: 0, 5 k, 10 k. */
export function shortLabels(ticks: readonly number[]): (value: number) => string {
  const most = Math.max(...ticks)
  const [divisor, unit] = most >= 5e6 ? [1e6, ' M'] : most >= 5e3 ? [1e3, ' k'] : [1, '']
  return (value) => (value === 0 ? '0' : `${grouped(Number((value / divisor).toPrecision(6)))}${unit}`)
}
