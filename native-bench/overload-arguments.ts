/** The flags of `npm run bench:native -- overload`. */
import { parseFlags, wholeNumber } from './flags.js'

export const OVERLOAD_USAGE = `       bench:native overload [--seconds=60] [--rss-max=MB] [--recovery-max=SECONDS] [--base-port=N]
                    [--tackboard-conf=section.key=value …]
`

export interface OverloadOptions {
  readonly seconds: number
  readonly rssMaxMb: number
  readonly recoveryMaxSeconds: number
  readonly basePort: number
  readonly conf: Readonly<Record<string, string>>
}

/** Throws with what is wrong. */
export function parseOverloadArguments(args: readonly string[]): OverloadOptions {
  const flags = parseFlags(args, ['seconds', 'rss-max', 'recovery-max', 'base-port'], [])
  return {
    seconds: wholeNumber(flags, 'seconds', 60),
    rssMaxMb: wholeNumber(flags, 'rss-max', 2_000),
    recoveryMaxSeconds: wholeNumber(flags, 'recovery-max', 30),
    basePort: wholeNumber(flags, 'base-port', 18_100),
    conf: flags.conf,
  }
}
