/** JSON as Qt writes it: compact, members sorted by name (UTF-16), exponents from 1e+20 and below 1e-04. */

/** A value to be written. An object is a Map, so that no name means anything but itself. */
export type Node = null | boolean | number | string | Node[] | Map<string, Node>

export function writeQtJson(value: Node): string {
  if (Array.isArray(value)) return `[${value.map(writeQtJson).join(',')}]`
  if (value instanceof Map) {
    const names = [...value.keys()].sort()
    return `{${names.map((name) => `${JSON.stringify(name)}:${writeQtJson(value.get(name) as Node)}`).join(',')}}`
  }
  return typeof value === 'number' ? qtNumber(value) : JSON.stringify(value)
}

function qtNumber(value: number): string {
  if (!Number.isFinite(value)) return 'null'
  const magnitude = Math.abs(value)
  const text = magnitude >= 1e20 || (magnitude < 1e-4 && magnitude > 0) ? value.toExponential() : String(value)
  // Two digits of an exponent at least.
  return text.replace(/e([+-])(\d)$/, 'e$10$2')
}
