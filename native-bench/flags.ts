/** `--name=value` flags, and the one that may come several times: --tackboard-conf=section.key=value. */

export interface Flags {
  readonly values: ReadonlyMap<string, string>
  readonly conf: Readonly<Record<string, string>>
}

/** `names` want a value, `switches` have none. Throws with what is wrong. */
export function parseFlags(args: readonly string[], names: readonly string[], switches: readonly string[]): Flags {
  const values = new Map<string, string>()
  const conf: Record<string, string> = {}
  for (const arg of args) {
    const [, name = '', value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (name === 'tackboard-conf') {
      const [, key = '', setting = ''] = /^(\w+\.\w+)=(.*)$/s.exec(value ?? '') ?? []
      if (key === '') throw new Error(`--tackboard-conf wants section.key=value, not ${value ?? 'nothing'}`)
      conf[key] = setting
    } else if (names.includes(name) && (value ?? '') !== '') {
      values.set(name, value as string)
    } else if (switches.includes(name) && value === undefined) {
      values.set(name, '')
    } else {
      throw new Error(`unknown argument: ${arg}`)
    }
  }
  return { values, conf }
}

export function wholeNumber({ values }: Flags, name: string, otherwise: number): number {
  const text = values.get(name)
  if (text === undefined) return otherwise
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} wants a whole number, not ${text}`)
  return Number(text)
}
