import type { Settings } from './types.js'

/** Where lines go: --logfile, a file in logdir, or null for stdout. */
export function logFileOf(settings: Settings): string | null {
  const { logfile, logdir, logFilePrefix } = settings.runner
  if (logfile !== null) return logfile
  return logdir === null ? null : `${logdir}/${logFilePrefix}tackboard.log`
}
