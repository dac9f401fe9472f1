/**
 * WebSocket upgrades and the callbacks of open sockets: each a boundary that no exception passes, because one that
 * escapes into native code ends the process.
 */
import { Buffer } from 'node:buffer'
import uWS from 'uWebSockets.js'
import { WS_MESSAGE_BYTES_MAX } from '../base/limits.js'
import { unreachable } from '../base/assert.js'
import { type Route, type Target, TargetKind } from '../routing/types.js'
import { clientHost } from '../grip/forwarding.js'
import { newConnectionId } from './connection-id.js'
import type { ShardContext } from './context.js'
import { copyClientHead, isWebSocketRequest } from './client-head.js'
import { matchRoute } from './match-route.js'
import type { Upgrade, WsClientSide, WsUserData } from './ws-client-side.js'
import { WsConnection } from './ws-connection.js'
import { WsTunnelConnection } from './ws-tunnel-connection.js'
import type { WsShared } from './ws-shared.js'

const BAD_GATEWAY = 'Bad Gateway'

export interface WsListenerOptions {
  readonly context: ShardContext
  readonly shared: WsShared
  readonly ssl: boolean
  /** Whether new sessions are refused: the shard is draining. */
  isDraining(): boolean
}

export function listenForWebSockets(app: uWS.TemplatedApp, options: WsListenerOptions): void {
  const { context } = options
  const guard = (ws: uWS.WebSocket<WsUserData>, run: (connection: WsClientSide) => void): void => {
    const { connection } = ws.getUserData()
    try {
      run(connection)
    } catch (error) {
      connection.fail(error)
    }
  }
  app.ws<WsUserData>('/*', {
    compression: uWS.DISABLED,
    // One limit for all: sessions over HTTP end at a smaller one by themselves.
    maxPayloadLength: Math.max(context.settings.proxy.wsBufferMax, WS_MESSAGE_BYTES_MAX),
    // It would drop the rest of a batch uncounted: slow sockets are found by Fanout.handleTick instead.
    maxBackpressure: 0,
    // Liveness is the session's business: no timers or pings of uWebSockets.js.
    idleTimeout: 0,
    maxLifetime: 0,
    sendPingsAutomatically: false,
    upgrade: (res, req, socketContext) => {
      if (isWebSocketRequest(req)) handleUpgrade(options, res, req, socketContext)
      else req.setYield(true)
    },
    open: (ws) => {
      // No closure, nothing allocated: upgrade-shield.ts.
      const { connection } = ws.getUserData()
      try {
        connection.handleOpened(ws)
      } catch (error) {
        connection.fail(error)
      }
    },
    message: (ws, message, isBinary) => {
      // Written out: the busiest callback makes no closure.
      const { connection } = ws.getUserData()
      try {
        connection.handleSign()
        connection.handleMessage(message, isBinary)
      } catch (error) {
        connection.fail(error)
      }
    },
    ping: (ws, message) => {
      guard(ws, (connection) => {
        connection.handleSign()
        connection.handlePing(message)
      })
    },
    pong: (ws, message) => {
      guard(ws, (connection) => {
        connection.handleSign()
        if (!connection.isOwnPong(message)) connection.handlePong(message)
      })
    },
    drain: (ws) => {
      guard(ws, (connection) => {
        connection.handleDrained()
      })
    },
    close: (ws, code, message) => {
      guard(ws, (connection) => {
        connection.handleClosed(code, message)
      })
    },
  })
}

function handleUpgrade(
  options: WsListenerOptions,
  res: uWS.HttpResponse,
  req: uWS.HttpRequest,
  socketContext: uWS.us_socket_context_t,
): void {
  const { context, shared } = options
  // All that the abort handler keeps alive: the upgrade's head may go once it is answered.
  const current: { session: WsClientSide | null } = { session: null }
  // Registered first: from here on the socket may vanish, and an unobserved end terminates the process.
  res.onAborted(() => {
    try {
      current.session?.handleAborted()
    } catch (error) {
      current.session?.fail(error)
    }
  })
  try {
    context.counters.add('requests')
    const { acceptXForwardedProtocol: acceptForwardedProtocol } = context.settings.proxy
    const head = copyClientHead(res, req, { ssl: options.ssl, acceptForwardedProtocol })
    const route = options.isDraining() ? null : matchRoute(context, head, 'ws')
    const upgrade: Upgrade = {
      res,
      context: socketContext,
      key: req.getHeader('sec-websocket-key'),
      head,
      startedMs: context.clock.nowMs(),
      connectionId: newConnectionId(),
      ask: (targetIndex) => {
        current.session = null
        current.session = ask(options, upgrade, route as Route, targetIndex)
        current.session?.open()
      },
    }
    if (route === null) {
      const body = Buffer.from(`No route for host: ${clientHost(head)}\n`, 'latin1')
      shared.reject(res, { status: 502, reason: BAD_GATEWAY, headers: [], body })
      shared.access(upgrade, null, null, 502, body.length, 'error')
      return
    }
    // What a hasty client sends before its 101 waits in the kernel.
    res.pause()
    upgrade.ask(0)
  } catch (error) {
    if (current.session !== null) current.session.fail(error)
    else {
      context.counters.add('callback_errors')
      context.log.error({ err: error }, 'upgrade failed')
      res.close()
    }
  }
}

/** The session that speaks the way the target wants to be spoken to; null: there is none, and the client knows. */
function ask(options: WsListenerOptions, upgrade: Upgrade, route: Route, targetIndex: number): WsClientSide | null {
  const { context, shared } = options
  const target = route.targets[targetIndex] as Target
  switch (target.kind) {
    case TargetKind.Test:
    case TargetKind.Demo:
      return new WsConnection(context, shared, upgrade, route, targetIndex)
    case TargetKind.Http:
    case TargetKind.Zhttp:
      return target.overHttp
        ? new WsConnection(context, shared, upgrade, route, targetIndex)
        : new WsTunnelConnection(context, shared, upgrade, route, targetIndex)
    case TargetKind.ZhttpReq:
      if (target.overHttp) return new WsConnection(context, shared, upgrade, route, targetIndex)
      break
    default:
      return unreachable(target.kind)
  }
  const isDebug = route.debug || context.settings.proxy.debug
  const sentence = isDebug ? 'WebSockets cannot be used with zhttpreq target' : 'Error while proxying to origin.'
  const body = Buffer.from(`${sentence}\n`)
  shared.reject(upgrade.res, { status: 502, reason: BAD_GATEWAY, headers: [], body })
  shared.access(upgrade, route, target, 502, body.length, 'error')
  return null
}
