/** The routes that the settings name: lines of --route, or a file. */
import { parseRouteOptions, parseRoutes } from './routes.js'
import type { ParsedRoutes } from './routes.js'

export interface RoutesInput {
  /** Absolute path, or null when `routeLines` replace the file. */
  readonly routesfile: string | null
  readonly routeLines: readonly string[]
  readonly cwd: string
  /** Text of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string
}

export interface LoadedRoutes extends ParsedRoutes {
  /** The file could not be read: the sentence to log. The table is empty then. */
  readonly unreadable: string | null
  /**
   * Whether faults forbid a start: those of --route do, lines of a file are skipped. (--check-config fails on any fault
   * and on a file that cannot be read.)
   */
  readonly faultsAreFatal: boolean
}

export function loadRoutes(input: RoutesInput): LoadedRoutes {
  const { routesfile, routeLines, cwd, readFile } = input
  if (routesfile === null) return { ...parseRouteOptions(routeLines, cwd), unreadable: null, faultsAreFatal: true }
  let text: string
  try {
    text = readFile(routesfile)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const unreadable = `unable to open routes file: ${routesfile} (${reason})`
    return { ...parseRoutes('', routesfile), unreadable, faultsAreFatal: false }
  }
  return { ...parseRoutes(text, routesfile), unreadable: null, faultsAreFatal: false }
}
