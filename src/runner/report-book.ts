/**
 * What each route had since its last report, and the numbers of the Prometheus port: over all routes and since the start
 * (reference: stats PUB, report; Prometheus).
 *
 * Connections are the most that a route had at a time. As in Pushpin, those open when an interval begins count again with
 * the first that comes or goes in it, or at its end: so one that goes first is not among them. The Prometheus port has
 * the sum over the routes.
 */
import { FIRST_TRAFFIC_STAT, ROUTE_STATS, RouteStat } from '../link/statistics.js'
import { type ReportPacket, StatsType } from '../wire/stats-packet.js'

export interface Totals {
  requests: number
  connections: number
  minutes: number
  received: number
  sent: number
}

class RouteReport {
  open = 0
  /** The most in this interval. */
  max = 0
  /** None has come or gone in this interval: max is that of the one before. */
  isStale = true
  received = 0
  blocksReceived = 0
  /** By RouteStat, since the last report. */
  numbers = new Float64Array(ROUTE_STATS)
  fromMs: number

  constructor(nowMs: number) {
    this.fromMs = nowMs
  }

  packet(route: string, nowMs: number): ReportPacket {
    const { numbers } = this
    return {
      type: StatsType.Report,
      route,
      connections: this.max,
      minutes: numbers[RouteStat.Minutes] as number,
      received: this.received,
      sent: numbers[RouteStat.Sent] as number,
      httpResponseSent: numbers[RouteStat.HttpResponseSent] as number,
      blocksReceived: this.blocksReceived,
      blocksSent: numbers[RouteStat.BlocksSent] as number,
      durationMs: Math.round(nowMs - this.fromMs),
      traffic: numbers.slice(FIRST_TRAFFIC_STAT),
    }
  }

  handleReported(nowMs: number): void {
    this.isStale = true
    this.received = 0
    this.blocksReceived = 0
    this.numbers.fill(0)
    this.fromMs = nowMs
  }
}

export class ReportBook {
  readonly totals: Totals = { requests: 0, connections: 0, minutes: 0, received: 0, sent: 0 }
  /** Without intervals only requests are counted, as in Pushpin. */
  readonly #hasIntervals: boolean
  readonly #byRoute = new Map<string, RouteReport>()

  constructor(hasIntervals: boolean) {
    this.#hasIntervals = hasIntervals
  }

  /** Numbers by RouteStat. */
  add(route: string, numbers: Float64Array, nowMs: number): void {
    const { totals } = this
    totals.requests += numbers[RouteStat.Requests] as number
    if (!this.#hasIntervals || !isReported(numbers)) return
    totals.minutes += numbers[RouteStat.Minutes] as number
    totals.sent += numbers[RouteStat.Sent] as number
    const report = this.#reportOf(route, nowMs)
    for (let stat = 0; stat < ROUTE_STATS; stat++) {
      report.numbers[stat] = (report.numbers[stat] as number) + (numbers[stat] as number)
    }
    if ((numbers[RouteStat.ConnectionChanges] as number) > 0) this.#handleConnections(report, numbers)
  }

  /** An item was published; it counts as one without a route. `blocks`: the most that one of its formats has. */
  addReceived(blocks: number, nowMs: number): void {
    if (!this.#hasIntervals) return
    this.totals.received++
    const report = this.#reportOf('', nowMs)
    report.received++
    if (blocks > 0) report.blocksReceived += blocks
  }

  /** Intervals begin: nobody has listened for a while, and nothing was counted meanwhile. */
  handleStart(nowMs: number): void {
    for (const [route, report] of this.#byRoute) {
      report.handleReported(nowMs)
      this.#setMax(report, report.open)
      if (report.max === 0) this.#byRoute.delete(route)
    }
  }

  /** The reports of the interval that ends: of each route that had anything in it, or in the one before. */
  handleInterval(nowMs: number, emit: (packet: ReportPacket) => void): void {
    for (const [route, report] of this.#byRoute) {
      if (report.isStale) this.#setMax(report, report.open)
      emit(report.packet(route, nowMs))
      report.handleReported(nowMs)
      if (report.max === 0) this.#byRoute.delete(route)
    }
  }

  #handleConnections(report: RouteReport, numbers: Float64Array): void {
    const most = report.open + (numbers[RouteStat.ConnectionsPeak] as number)
    report.open += numbers[RouteStat.Connections] as number
    this.#setMax(report, report.isStale ? most : Math.max(most, report.max))
    report.isStale = false
  }

  #reportOf(route: string, nowMs: number): RouteReport {
    let report = this.#byRoute.get(route)
    if (report === undefined) {
      report = new RouteReport(nowMs)
      this.#byRoute.set(route, report)
    }
    return report
  }

  #setMax(report: RouteReport, max: number): void {
    this.totals.connections += max - report.max
    report.max = max
  }
}

/** Requests and activity have packets of their own. */
function isReported(numbers: Float64Array): boolean {
  return numbers.some((count, stat) => count !== 0 && stat !== RouteStat.Requests && stat !== RouteStat.Activity)
}
