/** Properties of a section of a route line, by name; and how a line says that it is wrong. */
import { parseHostPort } from './host.js'
import type { HostPort } from './types.js'

/** Why a line is skipped. Thrown and caught inside this room only. */
export class LineFault extends Error {
  override readonly name = 'LineFault'
}

/** Told what is odd about a line that is kept. */
export type Warn = (message: string) => void

const MEANT_AS_NO = new Set(['false', '0', 'no', 'off'])

export class Props {
  readonly #props: readonly (readonly [name: string, value: string])[]
  readonly #warn: Warn

  constructor(props: readonly (readonly [name: string, value: string])[], warn: Warn) {
    this.#props = props
    this.#warn = warn
  }

  /** Names what Pushpin passes over without a word. */
  check(flags: readonly string[], values: readonly string[]): void {
    for (const [name, value] of this.#props) {
      if (flags.includes(name)) {
        if (MEANT_AS_NO.has(value)) this.#warn(`${name}=${value} means on: ${name} counts when it is there`)
      } else if (!values.includes(name)) this.#warn(`unknown option: ${name}`)
    }
  }

  has(name: string): boolean {
    return this.#props.some((prop) => prop[0] === name)
  }

  /** The last one given. */
  text(name: string): string | null {
    return this.#props.findLast((prop) => prop[0] === name)?.[1] ?? null
  }

  /** All that were given, the last one first: the order in which Pushpin applies them. */
  all(name: string): readonly string[] {
    return this.#props
      .filter((prop) => prop[0] === name)
      .map((prop) => prop[1])
      .reverse()
  }

  /** Null: absent or empty. A port that is none is left out. */
  hostPort(name: string): HostPort | null {
    const text = this.text(name)
    if (text === null || text === '') return null
    const whole = parseHostPort(text)
    if (whole !== null) return whole
    const withoutPort = parseHostPort(text.replace(/:[^:\]]*$/, ''))
    if (withoutPort === null) throw new LineFault(`${name} bad format`)
    this.#warn(`${name}: invalid port is left out: ${text}`)
    return withoutPort
  }

  /** Decimal; what is no number counts as absent. */
  integer(name: string): number | null {
    const text = this.text(name)
    if (text === null) return null
    if (/^\s*[+-]?\d{1,9}\s*$/.test(text)) return Number(text)
    this.#warn(`${name} has no effect: expecting an integer: ${text}`)
    return null
  }
}
