import { createRequire } from 'node:module'
import type { PrettyStream, build } from 'pino-pretty'

/** Readable lines on stdout, for a person at a terminal. */
export function pinoPretty(): PrettyStream {
  // Loaded when it is wanted: it is 30 modules for every thread, and a service has no terminal.
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof build
  return pretty({ destination: 1, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
}
