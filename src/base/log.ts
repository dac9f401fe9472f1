/**
 * Logs: pino, one line of JSON each; readable text when stdout is a terminal.
 *
 * Every thread writes to the same descriptor with whole lines (an append of a line is one write), so lines of
 * different threads never mix. Shards buffer and flush several times a second: an access line costs no system call.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { isatty } from 'node:tty'
import { type Logger, pino } from 'pino'
import { pinoPretty } from './log-pretty.js'

export type Log = Logger

/** Pushpin's levels 0..4 by name. */
const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const

/** Of a level of Pushpin; those above the finest are the finest. */
export function logLevelName(level: number): (typeof LEVELS)[number] {
  return LEVELS[Math.max(0, Math.min(level, LEVELS.length - 1))] as (typeof LEVELS)[number]
}

const FLUSH_MS = 200

/** How much is gathered before it is written, and how much one write may take, in bytes. */
interface Buffering {
  readonly minLength: number
  readonly maxWrite: number
}

/** A write to a pipe stays whole up to PIPE_BUF: lines of different threads do not mix. */
const TO_PIPE: Buffering = { minLength: 3_072, maxWrite: 4_096 }
/** An append to a file is whole whatever its size, and each is a trip to the thread pool, some 30 µs of CPU. */
const TO_FILE: Buffering = { minLength: 61_440, maxWrite: 65_536 }

export interface LogOptions {
  /** 0 error, 1 warn, 2 info, 3 debug, 4 trace */
  readonly level: number
  /** null: stdout */
  readonly file: string | null
  /** Buffered lines are written every 200 ms, otherwise at once. */
  readonly buffered: boolean
  /** Fields of every line, for example { shard: 0 }. */
  readonly bindings: Readonly<Record<string, string | number>>
}

export interface OpenLog {
  readonly log: Log
  /** Opens the file by its name again, because rotation has moved it. Throws when it cannot be. */
  reopen(): void
  /** Writes what is buffered and stops the flush timer; the log can still be used, unbuffered lines excepted. */
  close(): void
}

/** Throws when the file cannot be opened, naming it. */
export function openLog(options: LogOptions): OpenLog {
  const level = logLevelName(options.level)
  const base = { ...options.bindings }
  if (options.file === null && isatty(1)) {
    const stream = pinoPretty()
    return { log: pino({ level, base }, stream), reopen: () => undefined, close: () => undefined }
  }
  const { minLength, maxWrite } = options.file === null ? TO_PIPE : TO_FILE
  if (options.file !== null) assertWritable(options.file)
  const destination = pino.destination({
    dest: options.file ?? 1,
    append: true,
    mkdir: true,
    sync: !options.buffered,
    minLength: options.buffered ? minLength : 0,
    maxWrite,
  })
  const log = pino({ level, base, timestamp: pino.stdTimeFunctions.isoTime }, destination)
  // A disk that is full, a file that cannot be opened again: lines are lost, and the gateway lives.
  destination.on('error', () => undefined)
  const reopen = (): void => {
    if (options.file === null) return
    assertWritable(options.file)
    destination.reopen()
  }
  if (!options.buffered) return { log, reopen, close: () => undefined }
  const timer = setInterval(() => destination.flush(), FLUSH_MS)
  timer.unref()
  return {
    log,
    reopen,
    close: () => {
      clearInterval(timer)
      destination.flushSync()
    },
  }
}

/** Before pino does, so that the message names the file. */
function assertWritable(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    closeSync(openSync(file, 'a'))
  } catch (error) {
    throw new Error(`failed to open log file: ${file}: ${(error as Error).message}`, { cause: error })
  }
}
