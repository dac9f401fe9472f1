/**
 * A program as a child in a process group of its own: what it prints is kept for error messages, and it does not outlive
 * this process.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

const STOP_DEADLINE_MS = 8_000
const OUTPUT_KEPT = 20_000

const alive = new Set<Program>()
process.on('exit', () => {
  for (const program of alive) program.signal('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

export interface ProgramOptions {
  readonly name: string
  readonly command: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

export class Program {
  readonly name: string
  readonly pid: number
  readonly child: ChildProcess
  /** Null while it runs. */
  exit: string | null = null
  #output = ''
  readonly #exited: Promise<void>

  constructor({ name, command, cwd, env }: ProgramOptions) {
    const [file = '', ...args] = command
    this.name = name
    this.child = spawn(file, args, {
      detached: true,
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.pid = this.child.pid ?? 0
    alive.add(this)
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
    this.child.stdin?.on('error', () => {}) // its exit tells more
    this.#exited = new Promise((resolve) => {
      const end = (exit: string): void => {
        this.exit ??= exit
        alive.delete(this)
        resolve()
      }
      this.child.once('error', (error) => end(error.message))
      this.child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`))
    })
  }

  /** Keeps what it prints on standard output as well; for programs whose output is not read otherwise. */
  keepOutput(): void {
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#keep(text))
  }

  #keep(text: string): void {
    this.#output = (this.#output + text).slice(-OUTPUT_KEPT)
  }

  get output(): string {
    return this.#output
  }

  /** Throws with its last words when it has ended. */
  assertAlive(): void {
    if (this.exit === null) return
    throw new Error(`${this.name} ended with ${this.exit}: ${this.#output.trim().split('\n').slice(-6).join(' | ')}`)
  }

  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal)
    } catch {
      // the group has ended
    }
  }

  /** SIGTERM to the group, SIGKILL to what is left of it at the deadline. */
  async stop(): Promise<void> {
    this.signal('SIGTERM')
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_DEADLINE_MS)
    await this.#exited
    clearTimeout(timer)
    this.signal('SIGKILL')
  }

  async ended(): Promise<void> {
    await this.#exited
  }
}
