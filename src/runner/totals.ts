/**
 * The numbers of the Prometheus port, over all routes and since the start (reference: Prometheus).
 *
 * The connections are a sum over the routes: of each the most it had at a time since the interval (`stats_report_interval`)
 * began. So a connection that came and went between two looks is seen.
 */
import { RouteStat } from '../link/statistics.js'

export interface Totals {
  requests: number
  connections: number
  minutes: number
  received: number
  sent: number
}

interface RouteConnections {
  open: number
  /** The most in this interval. */
  max: number
}

export class TotalsBook {
  readonly totals: Totals = { requests: 0, connections: 0, minutes: 0, received: 0, sent: 0 }
  /** Without intervals only requests are counted, as in Pushpin. */
  readonly #hasIntervals: boolean
  readonly #byRoute = new Map<string, RouteConnections>()

  constructor(hasIntervals: boolean) {
    this.#hasIntervals = hasIntervals
  }

  /** Numbers by RouteStat. */
  add(route: string, numbers: Float64Array): void {
    const { totals } = this
    totals.requests += numbers[RouteStat.Requests] as number
    if (!this.#hasIntervals) return
    totals.minutes += numbers[RouteStat.Minutes] as number
    totals.sent += numbers[RouteStat.Sent] as number
    this.#handleConnections(route, numbers)
  }

  /** An item was published. */
  addReceived(): void {
    if (this.#hasIntervals) this.totals.received++
  }

  handleInterval(): void {
    for (const [route, connections] of this.#byRoute) {
      this.#setMax(connections, connections.open)
      if (connections.open === 0) this.#byRoute.delete(route)
    }
  }

  #handleConnections(route: string, numbers: Float64Array): void {
    const change = numbers[RouteStat.Connections] as number
    const peak = numbers[RouteStat.ConnectionsPeak] as number
    if (change === 0 && peak === 0) return
    let connections = this.#byRoute.get(route)
    if (connections === undefined) {
      connections = { open: 0, max: 0 }
      this.#byRoute.set(route, connections)
    }
    const most = connections.open + peak
    connections.open += change
    if (most > connections.max) this.#setMax(connections, most)
  }

  #setMax(connections: RouteConnections, max: number): void {
    this.totals.connections += max - connections.max
    connections.max = max
  }
}
