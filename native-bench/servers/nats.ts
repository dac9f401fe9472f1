/** nats-server: clients over WebSocket, publishers over TCP. */
import { Program } from '../program.js'
import { Place } from './place.js'
import { listens, nothingDropped, waitUntilReady } from './server.js'
import type { Server, ServerKind, StartOptions } from './server.js'

export const nats: ServerKind = {
  name: 'nats',
  configuration: 'clients over WebSocket without TLS, publisher over TCP, max_pending=1GB; no backend',
  find() {
    const place = Place.find('nats-server')
    return place === null ? { missing: 'no nats-server' } : { version: place.version('nats-server', '--version') }
  },
  start,
}

async function start({ ports }: StartOptions): Promise<Server> {
  const place = Place.find('nats-server')
  if (place === null) throw new Error('no nats-server')
  const [client, tcp] = [await ports.take(), await ports.take()]
  const folder = place.folder()
  const confFile = folder.write(
    'nats.conf',
    `websocket { host: 127.0.0.1, port: ${client}, no_tls: true }
host: 127.0.0.1
port: ${tcp}
max_pending: 1GB
max_connections: 20000
write_deadline: "60s"
`,
  )
  const startedMs = performance.now()
  const program = new Program({ name: 'nats-server', command: place.command('nats-server', ['-c', confFile]) })
  program.keepOutput()
  const stop = async (): Promise<void> => {
    await program.stop()
    folder.remove()
  }
  try {
    const isReady = async (): Promise<boolean> => (await listens(tcp)) && (await listens(client))
    const readyMs = await waitUntilReady(program, startedMs, isReady)
    const roles = {
      ws: [`--port=${client}`, '--ws-path=/', '--idle-path=/', '--nats'],
      publish: ['--publish=nats', `--publish-port=${tcp}`],
    }
    return { program, readyMs, roles, dropped: nothingDropped, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
