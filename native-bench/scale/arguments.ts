/** The flags of `npm run bench:native -- scale`. */
import { parseFlags, wholeNumber } from '../flags.js'

export const SCALE_USAGE = `       bench:native scale [--steps=2000,4000,8000,12000,16000] [--storms=4000,8000] [--settle=SECONDS] [--idle=SECONDS]
                    [--quick] [--json=FILE] [--write=docs/SCALE.md] [--base-port=N] [--tackboard-conf=section.key=value …]
`

export interface ScaleOptions {
  /** Counts of connections, growing. */
  readonly steps: readonly number[]
  readonly storms: readonly number[]
  readonly settleSeconds: number
  readonly idleSeconds: number
  readonly jsonFile: string | null
  /** A file of the project whose tables are replaced. */
  readonly writeFile: string | null
  readonly basePort: number
  readonly conf: Readonly<Record<string, string>>
}

/** Throws with what is wrong. */
export function parseScaleArguments(args: readonly string[]): ScaleOptions {
  const flags = parseFlags(args, ['steps', 'storms', 'settle', 'idle', 'json', 'write', 'base-port'], ['quick'])
  const quick = flags.values.has('quick')
  const steps = counts(
    flags.values.get('steps'),
    'steps',
    quick ? [500, 1_000, 2_000] : [2_000, 4_000, 8_000, 12_000, 16_000],
  )
  if (steps.length < 2) throw new Error('--steps wants two counts or more')
  return {
    steps,
    storms: counts(flags.values.get('storms'), 'storms', quick ? [1_000] : [4_000, 8_000]),
    settleSeconds: wholeNumber(flags, 'settle', quick ? 2 : 25),
    idleSeconds: wholeNumber(flags, 'idle', quick ? 3 : 10),
    jsonFile: flags.values.get('json') ?? null,
    writeFile: flags.values.get('write') ?? null,
    basePort: wholeNumber(flags, 'base-port', 18_100),
    conf: flags.conf,
  }
}

function counts(text: string | undefined, name: string, otherwise: readonly number[]): readonly number[] {
  if (text === undefined) return otherwise
  const numbers = text.split(',').map(Number)
  const isGrowing = numbers.every((count, at) => Number.isInteger(count) && count > (numbers[at - 1] ?? 0))
  if (!isGrowing) throw new Error(`--${name} wants growing whole numbers with commas between them, not ${text}`)
  return numbers
}
