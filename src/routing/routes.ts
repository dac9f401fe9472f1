/**
 * Routes text to a table. A line with a fault is left out and reported; the others stay.
 *
 * Line ends are \n or \r\n. Messages are Pushpin's where it has one.
 */
import { dirname } from 'node:path'
import { parseLine } from './line.js'
import { LineFault } from './props.js'
import { routeOf } from './route.js'
import { routeTableOf } from './table.js'
import type { Route, RouteFault, RouteTable } from './types.js'

export interface ParsedRoutes {
  readonly table: RouteTable
  readonly faults: readonly RouteFault[]
  /** About lines that are in the table: options nobody knows, conditions nothing can match. */
  readonly warnings: readonly RouteFault[]
}

export interface ParsedRouteLine {
  /** Null: there is a fault, or the line is blank or a comment. */
  readonly route: Route | null
  readonly fault: RouteFault | null
  readonly warnings: readonly RouteFault[]
}

/** Where a line comes from. */
export interface RouteSource {
  /** Name for messages: a path, or `--route`. */
  readonly file: string
  /** From 1. */
  readonly line: number
  /** Where relative paths of key files begin. */
  readonly directory: string
}

/** The text of a routes file. `file`: its absolute path. */
export function parseRoutes(text: string, file: string): ParsedRoutes {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const directory = dirname(file)
  return collect(
    file,
    lines.map((line, index) => parseRouteLine(line, { file, line: index + 1, directory })),
  )
}

/** Lines of `--route`; here a blank line is a fault, and so is one that nothing can reach. */
export function parseRouteOptions(lines: readonly string[], cwd: string): ParsedRoutes {
  const file = '--route'
  return collect(
    file,
    lines.map((line, index) => parseRouteOption(line, { file, line: index + 1, directory: cwd })),
  )
}

function parseRouteOption(line: string, source: RouteSource): ParsedRouteLine {
  const parsed = parseRouteLine(line, source)
  const { route } = parsed
  const blame = (message: string): ParsedRouteLine => ({ route: null, fault: faultAt(source, message), warnings: [] })
  if (route === null) return parsed.fault === null ? blame('must specify condition and at least one target') : parsed
  return route.domain === '' && !route.explicitId ? blame('condition has no domain or id') : parsed
}

export function parseRouteLine(line: string, source: RouteSource): ParsedRouteLine {
  const warnings: RouteFault[] = []
  const parsed = parseLine(line)
  if (parsed.fault !== null) return { route: null, fault: faultAt(source, parsed.fault), warnings }
  if (parsed.sections.length === 0) return { route: null, fault: null, warnings }
  try {
    const route = routeOf(parsed.sections, source, (message) => warnings.push(faultAt(source, message)))
    return { route, fault: null, warnings }
  } catch (error) {
    if (error instanceof LineFault) return { route: null, fault: faultAt(source, error.message), warnings: [] }
    throw error
  }
}

function faultAt(source: RouteSource, message: string): RouteFault {
  return { file: source.file, line: source.line, message }
}

/** Drops every line whose condition an earlier line has. */
function collect(file: string, lines: readonly ParsedRouteLine[]): ParsedRoutes {
  const routes: Route[] = []
  const faults: RouteFault[] = []
  const warnings: RouteFault[] = []
  const conditions = new Set<string>()
  for (const { route, fault, warnings: ofLine } of lines) {
    if (fault !== null) faults.push(fault)
    if (route === null) continue
    const condition = JSON.stringify([route.domain, route.proto, route.ssl, route.pathBeg])
    // Lines without a domain are told apart by their ids alone.
    if (route.domain !== '' && conditions.has(condition)) {
      faults.push({ file, line: route.line, message: 'skipping duplicate condition' })
      continue
    }
    conditions.add(condition)
    routes.push(route)
    warnings.push(...ofLine)
  }
  return { table: routeTableOf(routes), faults, warnings }
}
