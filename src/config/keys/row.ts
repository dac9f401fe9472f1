/** One row of the table of keys. */
import type { ValueRules } from '../values.js'

export type Meaning =
  | { readonly kind: 'used' }
  | { readonly kind: 'not yet' }
  /** The sentence `has no meaning here because <because>` is complete. */
  | { readonly kind: 'none'; readonly because: string }

export interface KeyRow extends ValueRules {
  /** section.key */
  readonly key: string
  /** Defaults as text of the file. */
  readonly shipped: string
  readonly absent?: string
  readonly unit?: string
  /** Not in Pushpin. */
  readonly ours?: true
  readonly meaning: Meaning
  /**
   * Values besides the defaults that cause no notice although the key has no effect: what Pushpin's own packages ship.
   * `every`: whatever it says.
   */
  readonly quiet?: readonly string[] | 'every'
  readonly doc: string
}

export const USED: Meaning = { kind: 'used' }
export const NOT_YET: Meaning = { kind: 'not yet' }
export function none(because: string): Meaning {
  return { kind: 'none', because }
}

export const INT_MAX = 2_147_483_647
export const COUNT_OR_NONE: readonly [number, number] = [-1, INT_MAX]
export const TTL: readonly [number, number] = [0, 31_536_000]
