/** The worker threads of a run: tasks of one piscina pool, one for each role. */
import type { MessagePort } from 'node:worker_threads'
import { machineClock } from '../measure/clock.js'
import type { BackendStart } from './backend.js'
import type { Clients } from './clients.js'
import { runMetronome } from './metronome.js'
import { NO_COUNTS } from './protocol.js'
import type { ClientsStart, Command, MetronomeStart, PublisherStart, WorkerEvent, WorkerResult } from './protocol.js'
import { clientsOf } from './scenario-clients.js'
import { Tally } from './tally.js'

/** How often it is looked at whether the last messages have come. */
const DRAIN_LOOK_MS = 20

export async function backend(start: BackendStart): Promise<void> {
  const { runBackend } = await import('./backend.js')
  return runBackend(start)
}

export function metronome(start: MetronomeStart): void {
  runMetronome(start)
}

export async function publisher(start: PublisherStart): Promise<WorkerResult> {
  const tally = new Tally(start, machineClock)
  const { Publisher } = await import('./publisher.js')
  const publisher = new Publisher(start, tally, machineClock)
  await publisher.open()
  start.ticks.on('message', () => publisher.wake())
  say(start.port, { kind: 'ready' })
  await obey(start.port, (command) => {
    if (command.kind === 'begin') {
      tally.begin(command.phases)
      publisher.begin(command.phases, command.pace, command.receivers, () => say(start.port, { kind: 'sent' }))
    } else if (command.kind === 'cut') {
      tally.cut(command.endMs)
      publisher.cut(command.endMs)
    }
  })
  await publisher.close()
  start.ticks.close()
  const signs = tally.end()
  say(start.port, { kind: 'done' })
  return {
    failures: tally.failures.list(),
    signs,
    lateSends: tally.encodedLateSends,
    counts: { ...NO_COUNTS, sent: publisher.sent },
    published: publisher.published,
  }
}

export async function clients(start: ClientsStart): Promise<WorkerResult> {
  const tally = new Tally(start, machineClock)
  const clients = await clientsOf({ start, tally, clock: machineClock })
  start.ticks.on('message', () => clients.wake())
  void clients.open().then(() => say(start.port, { kind: 'ready' }))
  const published = await obey(start.port, (command) => {
    if (command.kind === 'begin') {
      tally.begin(command.phases)
      clients.begin(command.phases, command.pace)
    } else if (command.kind === 'cut') {
      tally.cut(command.endMs)
      clients.cut(command.endMs)
    }
  })
  await drained(clients, published, start.options.drainMs)
  const counts = clients.counts(published)
  await clients.close()
  start.ticks.close()
  if (counts.missing > 0) tally.fail('missing messages', '', counts.missing)
  const signs = tally.end()
  say(start.port, { kind: 'done' })
  return { failures: tally.failures.list(), signs, lateSends: tally.encodedLateSends, counts, published: [] }
}

function say(port: MessagePort, event: WorkerEvent): void {
  port.postMessage(event)
}

/** Until the command to finish: what it says was published. */
function obey(port: MessagePort, handle: (command: Command) => void): Promise<readonly (readonly number[])[]> {
  return new Promise((resolve) => {
    port.on('message', (command: Command) => {
      if (command.kind === 'finish') resolve(command.published)
      else handle(command)
    })
  })
}

/** Until nothing is missing, or for `drainMs` nothing has come of what is. */
async function drained(clients: Clients, published: readonly (readonly number[])[], drainMs: number): Promise<void> {
  let missing = clients.missing(published)
  let lastMs = machineClock.nowMs()
  while (missing > 0 && machineClock.nowMs() - lastMs < drainMs) {
    await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS))
    const now = clients.missing(published)
    if (now < missing) lastMs = machineClock.nowMs()
    missing = now
  }
}
