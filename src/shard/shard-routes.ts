/**
 * The routes in force on a shard, with the keys they sign with. New ones replace the table as a whole: whoever has
 * matched a route keeps it, as it was, to its end.
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import type { Log } from '../base/log.js'
import type { Settings } from '../config/types.js'
import { Forwarding } from '../grip/forwarding.js'
import { loadRoutes } from '../routing/load.js'
import type { RouteTable } from '../routing/types.js'
import { rewriteRequest } from './rewrite.js'

export class ShardRoutes {
  readonly forwarding: Forwarding
  readonly #settings: Settings
  /** Null: another shard says what is wrong with keys; all find the same. */
  readonly #log: Log | null
  #table: RouteTable

  /** `text`: of the routes file, as main read it; main has told its faults. */
  constructor(settings: Settings, text: string, log: Log | null) {
    this.#settings = settings
    this.#log = log
    this.forwarding = new Forwarding(settings, (path) => readFileSync(path), rewriteRequest)
    this.#table = this.#prepared(text)
  }

  get table(): RouteTable {
    return this.#table
  }

  /** Key files are read again too. */
  replace(text: string): void {
    this.forwarding.forgetKeys()
    this.#table = this.#prepared(text)
  }

  #prepared(text: string): RouteTable {
    const { routesfile, routeLines } = this.#settings.proxy
    const { table } = loadRoutes({ routesfile, routeLines, cwd: process.cwd(), readFile: () => text })
    this.forwarding.prepare(table.routes)
    for (const fault of this.forwarding.faults.splice(0)) this.#log?.error(`key cannot be used: ${fault}`)
    return table
  }
}
