/** The progress line: on a terminal it is one line that changes; elsewhere there is none. */
import { grouped } from './format.js'
import type { LoadOptions } from './options.js'
import type { Progress } from './run/run.js'
import { SCENARIO_ROWS, unitOf } from './scenarios.js'

/** What the line needs of process.stderr. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const ERASE_LINE = '\r\x1b[K'

export class ProgressLine {
  readonly #terminal: Terminal
  readonly #options: LoadOptions

  constructor(terminal: Terminal, options: LoadOptions) {
    this.#terminal = terminal
    this.#options = options
  }

  show(progress: Progress): void {
    if (this.#terminal.isTTY !== true) return
    const line = progressText(progress, this.#options)
    this.#terminal.write(ERASE_LINE + line.slice(0, (this.#terminal.columns ?? 80) - 1))
  }

  clear(): void {
    if (this.#terminal.isTTY === true) this.#terminal.write(ERASE_LINE)
  }
}

export function progressText(progress: Progress, options: LoadOptions): string {
  const { scenario, connections, durationMs } = options
  const { step, seconds, open, failures, perSecond, p99Ms } = progress
  const parts: string[] = [scenario]
  if (step === 'measuring') parts.push(`${seconds.toFixed(0)} of ${(durationMs / 1_000).toFixed(0)} s`)
  else parts.push(step)
  if (scenario !== 'proxy') {
    const wanted = step === 'opening' ? ` of ${grouped(connections)}` : ''
    parts.push(`${grouped(open)}${wanted} ${SCENARIO_ROWS[scenario].clients}`)
  }
  if (perSecond !== null) parts.push(`${grouped(perSecond)} ${unitOf(options)}/s`)
  if (p99Ms !== null) parts.push(`p99 ${p99Ms.toFixed(2)} ms`)
  parts.push(failures === 0 ? 'no errors' : `${grouped(failures)} errors`)
  return parts.join('   ')
}
