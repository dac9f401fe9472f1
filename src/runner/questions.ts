/**
 * Questions of main that every shard answers over its MessagePort: numbered, with a deadline, because a shard may be
 * busy or gone.
 */
import { SHARD_QUESTION_DEADLINE_MS } from '../base/limits.js'
import type { ShardQuestion, ToShard } from '../link/messages.js'
import type { ShardQuestions } from './commands.js'

interface Open {
  left: number
  readonly found: string[]
  readonly timer: NodeJS.Timeout
  resolve(found: readonly string[]): void
}

export class Questions implements ShardQuestions {
  readonly #shards: number
  readonly #tellAll: (message: ToShard) => void
  readonly #deadlineMs: number
  readonly #open = new Map<number, Open>()
  #next = 1

  constructor(shards: number, tellAll: (message: ToShard) => void, deadlineMs = SHARD_QUESTION_DEADLINE_MS) {
    this.#shards = shards
    this.#tellAll = tellAll
    this.#deadlineMs = deadlineMs
  }

  async connected(ids: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(await this.#ask({ kind: 'connected', ids }))
  }

  async refreshConnection(id: string): Promise<boolean> {
    return (await this.#ask({ kind: 'refresh', id })).length > 0
  }

  async refreshChannel(channel: string): Promise<void> {
    await this.#ask({ kind: 'refresh-channel', channel })
  }

  /** One per shard and question. What comes after the deadline is dropped. */
  handleAnswer(number: number, found: readonly string[]): void {
    const open = this.#open.get(number)
    if (open === undefined) return
    for (const id of found) open.found.push(id)
    if (--open.left > 0) return
    this.#open.delete(number)
    clearTimeout(open.timer)
    open.resolve(open.found)
  }

  /** What all shards found. */
  #ask(question: ShardQuestion): Promise<readonly string[]> {
    const number = this.#next++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#open.delete(number)
        reject(new Error(`a shard has not answered in ${String(this.#deadlineMs)} ms`))
      }, this.#deadlineMs)
      // A command under way does not keep a gateway that stops.
      timer.unref()
      this.#open.set(number, { left: this.#shards, found: [], timer, resolve })
      this.#tellAll({ kind: 'ask', number, question })
    })
  }
}
