/**
 * WebSocket upgrades and the callbacks of open sockets: each a boundary that no exception passes, because one that
 * escapes into native code ends the process.
 */
import { Buffer } from 'node:buffer'
import uWS from 'uWebSockets.js'
import { WS_MESSAGE_BYTES_MAX } from '../base/limits.js'
import { unreachable } from '../base/assert.js'
import { type Route, type Target, TargetKind } from '../routing/types.js'
import { readSockJsPath, sockJsParts } from '../grip/sockjs-request.js'
import { encodePath } from '../routing/path.js'
import { DeflateOffer, deflateOffer } from '../wire/deflate-offer.js'
import type { SocketOwner, Upgrade } from './client-socket.js'
import type { ShardContext } from './context.js'
import { BAD_UPGRADE, copyClientHead, isWebSocketRequest } from './client-head.js'
import { hostNameOf, matchRoute } from './match-route.js'
import { NativeUpgrade, type NativeUpgradeParts, type WsUserData } from './native-upgrade.js'
import { FramedUpgrade } from './sockjs-framed.js'
import type { WsClientSide } from './ws-client-side.js'
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
  const { context, shared } = options
  const guard = (ws: uWS.WebSocket<WsUserData>, run: (owner: SocketOwner) => void): void => {
    const { owner } = ws.getUserData()
    try {
      run(owner)
    } catch (error) {
      owner.fail(error)
    }
  }
  app.ws<WsUserData>('/*', {
    // Shared: what an idle connection keeps is nothing, and each message is compressed for itself.
    compression: context.settings.runner.allowCompression
      ? uWS.SHARED_COMPRESSOR | uWS.SHARED_DECOMPRESSOR
      : uWS.DISABLED,
    // One limit for all, inflated or not: sessions over HTTP end at a smaller one by themselves.
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
      shared.shield.handleOpened(ws)
    },
    message: (ws, message, isBinary) => {
      // Written out: the busiest callback makes no closure.
      const { owner } = ws.getUserData()
      try {
        owner.handleSign()
        owner.handleMessage(message, isBinary)
      } catch (error) {
        owner.fail(error)
      }
    },
    ping: (ws, message) => {
      guard(ws, (owner) => {
        owner.handleSign()
        owner.handlePing(message)
      })
    },
    pong: (ws, message) => {
      guard(ws, (owner) => {
        owner.handleSign()
        if (!owner.isOwnPong(message)) owner.handlePong(message)
      })
    },
    drain: (ws) => {
      guard(ws, (owner) => {
        owner.handleDrained()
      })
    },
    close: (ws, code, message) => {
      if (shared.shield.handleClosed(ws)) return
      guard(ws, (owner) => {
        if (isTooLong(code, message)) context.counters.add('ws_dropped_buffer')
        owner.handleClosed(code, message)
      })
    },
  })
}

const TOO_LONG = 'Received too big message'

/** uWebSockets.js has ended a connection over a message above maxPayloadLength; it says so where others give their reason. */
function isTooLong(code: number, message: ArrayBuffer): boolean {
  return code === 1006 && Buffer.from(message).toString('latin1').startsWith(TOO_LONG)
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
    const head = copyClientHead(res, req, { ssl: options.ssl, acceptForwardedProtocol }, context)
    const offer = deflateOffer(head.headers)
    const route = options.isDraining() ? null : matchRoute(context, head, 'ws')
    const path = route === null ? null : readSockJsPath(route, encodePath(head.path))
    const isFramed = path !== null && sockJsParts(path.rest) !== null
    const parts: NativeUpgradeParts = {
      shared,
      res,
      socketContext,
      key: req.getHeader('sec-websocket-key'),
      isCompressed: context.settings.runner.allowCompression && offer === DeflateOffer.Workable,
      head: path === null ? head : { ...head, path: path.webSocketPath },
      startedMs: context.clock.nowMs(),
      ask: (upgrade, targetIndex) => {
        current.session = null
        current.session = askTarget(options, upgrade, route as Route, targetIndex)
        current.session?.open()
      },
    }
    const upgrade = isFramed ? new FramedUpgrade(context, parts) : new NativeUpgrade(parts)
    if (offer === DeflateOffer.Malformed) {
      const body = Buffer.from(`${BAD_UPGRADE}\n`)
      upgrade.reject({ status: 400, reason: 'Bad Request', headers: [['Content-Type', 'text/plain']], body })
      shared.access(upgrade, null, null, 400, body.length, 'error')
      return
    }
    if (path !== null && !isFramed && path.rest !== '/websocket') {
      const body = Buffer.from('Not Found\n')
      upgrade.reject({ status: 404, reason: 'Not Found', headers: [['Content-Type', 'text/plain']], body })
      shared.access(upgrade, route, null, 404, body.length, 'error')
      return
    }
    if (route === null) {
      const body = Buffer.from(`No route for host: ${hostNameOf(head)}\n`, 'latin1')
      upgrade.reject({ status: 502, reason: BAD_GATEWAY, headers: [], body })
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
export function askTarget(
  options: Pick<WsListenerOptions, 'context' | 'shared'>,
  upgrade: Upgrade,
  route: Route,
  targetIndex: number,
): WsClientSide | null {
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
  upgrade.reject({ status: 502, reason: BAD_GATEWAY, headers: [], body })
  shared.access(upgrade, route, target, 502, body.length, 'error')
  // A session that asked a target before has told of it.
  if (context.report.wantsConnections) context.report.endedById(upgrade.connectionId)
  return null
}
