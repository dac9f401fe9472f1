/**
 * Opens and closes a few WebSockets to ourselves before the shard listens.
 *
 * Code that runs for the first time allocates while it is compiled, more than upgrade-shield.ts can cover. The little
 * that runs behind the shield is the same for all WebSockets, so a few are enough. (Without any, and with more behind the
 * shield, 7 of 280 fresh shards lost one of their first.) A pleasant side effect: the first clients do not pay for
 * compilation.
 */
import { connect } from 'node:net'
import uWS from 'uWebSockets.js'
import type { BackendClient } from '../backend/types.js'
import { Counters } from '../link/counters.js'
import { parseRoutes } from '../routing/routes.js'
import { encodeWebSocketEvents } from '../wire/websocket-events.js'
import type { ShardContext } from './context.js'
import { listenForWebSockets } from './ws-listener.js'
import { WsShared } from './ws-shared.js'

const CONNECTIONS = 16
const AT_ONCE = 8
const REQUEST =
  'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'
/** A masked close frame without content, mask zero. */
const CLOSE_FRAME = Buffer.from([0x88, 0x80, 0, 0, 0, 0])

/** Answers every request as a backend does that accepts, greets and closes in turn. */
const greeter: BackendClient = {
  request: (_request, handler) => {
    const headers = ['Content-Type', 'application/websocket-events', 'X-Greeting', 'hello']
    setImmediate(() => {
      handler.handleHead(200, 'OK', headers)
      handler.handleData(
        encodeWebSocketEvents([
          { type: 'OPEN', content: Buffer.alloc(0) },
          { type: 'TEXT', content: Buffer.from('hello') },
        ]),
      )
      handler.handleEnd()
    })
    return { abort: () => undefined, resume: () => undefined }
  },
  close: () => Promise.resolve(),
}

/** Resolves when all connections have been opened and closed. Fails only where no loopback port can be had. */
export async function warmUp(context: ShardContext, shard: number): Promise<void> {
  const { table } = parseRoutes('* localhost:80,over_http', 'warm-up')
  const warm: ShardContext = {
    ...context,
    routes: () => table,
    backend: greeter,
    counters: new Counters(Counters.allocate(1), 0),
    access: null,
    holdLog: null,
  }
  const app = uWS.App()
  const shared = new WsShared(warm, {
    shard,
    shards: 1,
    connectionEnded: () => undefined,
    polledBegan: () => undefined,
  })
  listenForWebSockets(app, { context: warm, shared, ssl: false, isDraining: () => false })
  const socket = await new Promise<uWS.us_listen_socket>((resolve, reject) => {
    app.listen('127.0.0.1', 0, (listening) => {
      if (listening === false) reject(new Error('no loopback port for the warm-up'))
      else resolve(listening)
    })
  })
  const port = uWS.us_socket_local_port(socket)
  for (let opened = 0; opened < CONNECTIONS; opened += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => openAndClose(port)))
  }
  app.close()
}

function openAndClose(port: number): Promise<void> {
  return new Promise((resolve) => {
    const client = connect(port, '127.0.0.1')
    client.on('connect', () => client.write(REQUEST))
    client.once('data', () => client.end(CLOSE_FRAME))
    // However a warm-up connection ends, it has done its work.
    client.on('error', () => undefined)
    client.on('close', () => {
      resolve()
    })
  })
}
