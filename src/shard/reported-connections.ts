/**
 * The connections that statistics know of: told when they come and go, and again within three quarters of their time to
 * live, so that a listener who hears nothing of one may take it for gone (reference: stats PUB, conn).
 *
 * Minutes are counted as Pushpin counts them: one at once, and
 * one more for each that is full.
 */
import { RefreshRing, type RingMember } from '../base/refresh-ring.js'
import type { ConnEvent } from '../link/statistics.js'

const REFRESH_MS = 1000
const MINUTE_MS = 60_000

export interface ConnectionFacts {
  readonly type: 'http' | 'ws'
  /** Id of its route, when it has one of its own; empty otherwise. */
  readonly route: string
  readonly peerAddress: string
  readonly ssl: boolean
}

export interface ReportedConnectionsOptions {
  readonly ttlMs: number
  /** Ids of HTTP connections are made of it and a number. */
  readonly idPrefix: string
  nowMs(): number
  onEvent(event: ConnEvent): void
  /** So many connections more (or less), and full minutes, of a route. */
  onCount(route: string, change: 1 | -1): void
  onMinutes(route: string, minutes: number): void
}

export class ReportedConnection implements RingMember<ReportedConnection> {
  nextLinked: ReportedConnection | null = null
  previousLinked: ReportedConnection | null = null
  ringPlace = -1
  readonly id: string
  readonly facts: ConnectionFacts
  /** The minutes before have been counted. */
  minutesFromMs: number
  readonly #all: ReportedConnections

  constructor(all: ReportedConnections, id: string, facts: ConnectionFacts, nowMs: number) {
    this.#all = all
    this.id = id
    this.facts = facts
    this.minutesFromMs = nowMs
  }

  /** It is gone. Nothing happens when it is not known (any more). */
  end(): void {
    this.#all.remove(this)
  }
}

export class ReportedConnections {
  readonly #options: ReportedConnectionsOptions
  readonly #byId = new Map<string, ReportedConnection>()
  /** Told of once and still open, while nobody wants to know of them: their ids stay theirs. */
  readonly #untold = new Map<string, ReportedConnection>()
  readonly #ring: RefreshRing<ReportedConnection>
  #dueMs = 0
  #nextNumber = 0

  constructor(options: ReportedConnectionsOptions) {
    this.#options = options
    this.#ring = new RefreshRing(options.ttlMs / 1000)
  }

  /** `id` null: one is made. `isNew`: it counts a minute at once; those found open do not. */
  add(id: string | null, facts: ConnectionFacts, isNew: boolean): ReportedConnection {
    const made = id ?? `${this.#options.idPrefix}${String(this.#nextNumber++)}`
    this.#untold.delete(made)
    const connection = new ReportedConnection(this, made, facts, this.#options.nowMs())
    this.#byId.set(made, connection)
    this.#ring.add(connection)
    this.#options.onCount(facts.route, 1)
    if (isNew) this.#options.onMinutes(facts.route, 1)
    this.#tell(connection)
    return connection
  }

  #tell({ id, facts }: ReportedConnection): void {
    const { type, peerAddress, ssl, route } = facts
    if (this.#byId.has(id)) this.#options.onEvent({ id, route, here: { type, peerAddress, ssl } })
  }

  tellAll(): void {
    for (const connection of this.#byId.values()) this.#tell(connection)
  }

  get(id: string): ReportedConnection | undefined {
    return this.#byId.get(id)
  }

  /** It has been told of, whoever listens now, and is open. */
  isOpen(id: string): boolean {
    return this.#byId.has(id) || this.#untold.has(id)
  }

  /** @internal */
  remove(connection: ReportedConnection): void {
    this.#untold.delete(connection.id)
    if (!this.#forget(connection)) return
    this.#countMinutes(connection, this.#options.nowMs())
    this.#options.onEvent({ id: connection.id, route: connection.facts.route, here: null })
  }

  /** Nobody wants to know of them any more. */
  clear(): void {
    for (const connection of this.#byId.values()) {
      this.#forget(connection)
      // Those of WebSockets are known without us, and do not say here that they end.
      if (connection.facts.type === 'http') this.#untold.set(connection.id, connection)
    }
  }

  handleTick(nowMs: number): void {
    if (nowMs < this.#dueMs) return
    this.#dueMs = nowMs + REFRESH_MS
    for (const connection of this.#ring.turn()) {
      this.#countMinutes(connection, nowMs)
      this.#tell(connection)
    }
  }

  #forget(connection: ReportedConnection): boolean {
    if (this.#byId.get(connection.id) !== connection) return false
    this.#byId.delete(connection.id)
    this.#ring.delete(connection)
    this.#options.onCount(connection.facts.route, -1)
    return true
  }

  #countMinutes(connection: ReportedConnection, nowMs: number): void {
    const minutes = Math.floor((nowMs - connection.minutesFromMs) / MINUTE_MS)
    if (minutes <= 0) return
    connection.minutesFromMs += minutes * MINUTE_MS
    this.#options.onMinutes(connection.facts.route, minutes)
  }
}
