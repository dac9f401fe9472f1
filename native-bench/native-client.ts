/** Whether the native load client can be built here. */
import { execFileSync } from 'node:child_process'

/** Null: C can be compiled; otherwise what is missing. */
export function missingForC(): string | null {
  for (const [command, args, missing] of [
    ['cc', ['--version'], 'no C compiler (cc)'],
    ['make', ['--version'], 'no make'],
  ] as const) {
    try {
      execFileSync(command, args, { stdio: 'ignore' })
    } catch {
      return missing
    }
  }
  return null
}

/** Null: the client can be built; otherwise what is missing. */
export function missingForClient(): string | null {
  const missing = missingForC()
  if (missing !== null) return missing
  try {
    execFileSync('cc', ['-E', '-x', 'c', '-'], { input: '#include <zmq.h>\n', stdio: ['pipe', 'ignore', 'ignore'] })
    return null
  } catch {
    return 'no zmq.h (Debian: libzmq3-dev)'
  }
}
