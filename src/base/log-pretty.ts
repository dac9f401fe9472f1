import { build as pretty, type PrettyStream } from 'pino-pretty'

/** Readable lines on stdout, for a person at a terminal. */
export function pinoPretty(): PrettyStream {
  return pretty({ destination: 1, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
}
