/** Meta of a subscription or of a published item: names and values are byte strings. */
export type Meta = Readonly<Record<string, string>>

/** null: not set. What every object inherits is not set either. */
export function metaValue(meta: Meta | null, name: string): string | null {
  return meta !== null && Object.hasOwn(meta, name) ? (meta[name] as string) : null
}
