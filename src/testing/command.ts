/** Programs that users have (curl, Python, pushpin-publish), run by tests: output collected, waited for, never left behind. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { EVENT_DEADLINE_MS, Waiters, withDeadline } from './wait.js'

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

export class Command {
  stdout = ''
  stderr = ''
  /** Resolves with the exit code; null: ended by a signal. */
  readonly exited: Promise<number | null>
  readonly #child: ChildProcess
  readonly #waiters = new Waiters()
  readonly #line: string

  private constructor(program: string, args: readonly string[]) {
    this.#line = [program, ...args].join(' ')
    const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    alive.add(child)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#waiters.changed()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => {
        alive.delete(child)
        this.#waiters.fail(new Error(`it ended: ${this.#story()}`))
        resolve(code)
      })
    })
    this.exited.catch(() => {}) // told by end()
  }

  static start(program: string, ...args: string[]): Command {
    return new Command(program, args)
  }

  /** Resolves when stdout contains `wanted`. */
  async printed(wanted: string): Promise<void> {
    await this.#waiters.until(
      () => this.stdout.includes(wanted) || undefined,
      () => `${JSON.stringify(wanted)} from ${this.#story()}`,
    )
  }

  /** Resolves with stdout when the program has ended with exit code 0. */
  async end(deadlineMs = EVENT_DEADLINE_MS): Promise<string> {
    const code = await withDeadline(this.exited, () => `end of ${this.#story()}`, deadlineMs)
    if (code !== 0) throw new Error(`exit code ${code}: ${this.#story()}`)
    return this.stdout
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  #story(): string {
    return `${this.#line}\n--- stdout\n${this.stdout.slice(-2_000)}\n--- stderr\n${this.stderr.slice(-2_000)}`
  }
}

/** Runs it to its end and resolves with its stdout; throws unless its exit code is 0. */
export function runCommand(program: string, ...args: string[]): Promise<string> {
  return Command.start(program, ...args).end()
}

/** Whether `program args` runs and ends with exit code 0. For `test.skipIf(!hasCommand(…))`: it says why it skips. */
export function hasCommand(why: string, program: string, ...args: string[]): boolean {
  const { status } = spawnSync(program, args, { stdio: 'ignore' })
  if (status === 0) return true
  process.stdout.write(`${why}: skipped, because this does not run here: ${[program, ...args].join(' ')}\n`)
  return false
}
