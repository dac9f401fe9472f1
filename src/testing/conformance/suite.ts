/** All scenarios, and the run of them against the built gateway. */
import { freePortRun, freePorts } from '../free-ports.js'
import { backendPortsFrom } from './routes.js'
import type { BackendPorts } from './routes.js'
import { collectScenarios } from './scenario.js'
import { crossOrigin } from './scenarios/cross-origin.js'
import { bodyPatch } from './scenarios/body-patch.js'
import { filters } from './scenarios/filters.js'
import { httpFilters } from './scenarios/http-filters.js'
import { commands } from './scenarios/commands.js'
import { holdChannels } from './scenarios/hold-channels.js'
import { http } from './scenarios/http.js'
import { links } from './scenarios/links.js'
import { longPollRetries } from './scenarios/long-poll-retries.js'
import { publishDoor } from './scenarios/publish-door.js'
import { publishDoorHeads } from './scenarios/publish-door-heads.js'
import { publishZmq } from './scenarios/publish-zmq.js'
import { accepted } from './scenarios/woh-accepted.js'
import { sockJsScenarios } from './scenarios/sockjs.js'
import { stats } from './scenarios/stats.js'
import { statsReports } from './scenarios/stats-reports.js'
import { wohClose } from './scenarios/woh-close.js'
import { wohGrip } from './scenarios/woh-grip.js'
import { wohRequests } from './scenarios/woh-requests.js'
import { wohResponses } from './scenarios/woh-responses.js'
import { zhttp } from './scenarios/zhttp.js'

export const SCENARIOS = collectScenarios(
  wohRequests,
  wohResponses,
  accepted,
  wohClose,
  wohGrip,
  publishDoor,
  publishDoorHeads,
  publishZmq,
  http,
  holdChannels,
  filters,
  httpFilters,
  bodyPatch,
  commands,
  crossOrigin,
  sockJsScenarios,
  links,
  longPollRetries,
  zhttp,
  stats,
  statsReports,
)

const OWN_BACKENDS = SCENARIOS.filter(({ ownBackend }) => ownBackend === true).length

/** Consecutive ports from `first`, or free ones. */
export async function chooseBackendPorts(first: number | null): Promise<BackendPorts> {
  if (first !== null) return backendPortsFrom(first, OWN_BACKENDS)
  const [main = 0, dead = 0, req = 0, native = 0, ...own] = await freePorts(4 + OWN_BACKENDS)
  return { main, dead, own, native, workers: { req, stream: await freePortRun(3), nobody: await freePortRun(3) } }
}
