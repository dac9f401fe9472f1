/** SVG and HTML as text. Whatever was not written by us goes through `escape`. */

export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${String(character.charCodeAt(0))};`)
}

export type Attributes = Readonly<Record<string, string | number>>

/** An element; `content` is markup. */
export function element(name: string, attributes: Attributes, content = ''): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(coordinate(value))}"`)
  return `<${name}${written.join('')}>${content}</${name}>`
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escape(content))
}

/** A line through the points. */
export function path(points: readonly (readonly [number, number])[]): string {
  return points.map(([x, y], n) => `${n === 0 ? 'M' : 'L'}${coordinate(x)} ${coordinate(y)}`).join('')
}

/** Tenths of a pixel are enough. */
function coordinate(value: string | number): string {
  return typeof value === 'string' ? value : String(Math.round(value * 10) / 10)
}
