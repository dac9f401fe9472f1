/** An upgrade request at uWebSockets.js. */
import type uWS from 'uWebSockets.js'
import type { ClientHead } from '../grip/forwarding.js'
import type { WsReject } from '../grip/ws-answer.js'
import type { Header } from '../wire/publish-types.js'
import type { ClientSocket, FirstFrame, SocketOwner, Upgrade } from './client-socket.js'
import { newConnectionId } from './connection-id.js'
import { writeHeaders } from './native-headers.js'
import type { WsShared } from './ws-shared.js'

/** What uWebSockets.js keeps per socket: handed over wrapped, because it copies the object and loses its prototype. */
export interface WsUserData {
  readonly owner: SocketOwner
}

export interface NativeUpgradeParts {
  readonly shared: WsShared
  readonly res: uWS.HttpResponse
  readonly socketContext: uWS.us_socket_context_t
  /** Sec-WebSocket-Key */
  readonly key: string
  /** Whether messages may be compressed: the client offers it, and the gateway takes it. */
  readonly isCompressed: boolean
  readonly head: ClientHead
  readonly startedMs: number
  readonly ask: (upgrade: Upgrade, targetIndex: number) => void
}

/**
 * What uWebSockets.js is told that the client offers. It reads offers carelessly, so it sees this one alone, and only when
 * the client's own has been found to work (wire/deflate-offer.ts).
 */
const DEFLATE = 'permessage-deflate'

export class NativeUpgrade implements Upgrade {
  readonly head: ClientHead
  readonly startedMs: number
  readonly connectionId = newConnectionId()
  readonly isPolled = false
  readonly #parts: NativeUpgradeParts

  constructor(parts: NativeUpgradeParts) {
    this.head = parts.head
    this.startedMs = parts.startedMs
    this.#parts = parts
  }

  ask(targetIndex: number): void {
    this.#parts.ask(this, targetIndex)
  }

  accept(session: SocketOwner, headers: readonly Header[], frames: readonly FirstFrame[]): void {
    const { shared, res, key, isCompressed, socketContext } = this.#parts
    const owner = this.ownerOf(session)
    const userData: WsUserData = { owner }
    const wire = this.wireFrames(frames)
    const extensions = isCompressed ? DEFLATE : ''
    const socket = shared.shield.open(() => {
      res.cork(() => {
        res.writeStatus('101 Switching Protocols')
        writeHeaders(res, headers)
        res.resume()
        // From here to the end of cork() nothing but sends: upgrade-shield.ts says why.
        res.upgrade<WsUserData>(userData, key, '', extensions, socketContext)
        if (wire.length > 0) shared.shield.send(wire, shared.compressedFromBytes)
      })
    })
    if (socket !== null) owner.handleOpened(socket)
    else {
      shared.upgradeLost()
      owner.handleOpened(GONE)
      owner.handleClosed(NO_CLOSE_FRAME, NOTHING)
    }
  }

  reject(answer: Omit<WsReject, 'kind'>): void {
    this.#parts.shared.reject(this.#parts.res, answer)
  }

  drop(): void {
    this.#parts.res.close()
  }

  /** Until it is answered. */
  getRemoteAddressAsText(): ArrayBuffer {
    return this.#parts.res.getRemoteAddressAsText()
  }

  /** Who the socket's callbacks are for. */
  protected ownerOf(session: SocketOwner): SocketOwner {
    return session
  }

  /** What the client is sent when the session says `frames`. */
  protected wireFrames(frames: readonly FirstFrame[]): readonly FirstFrame[] {
    return frames
  }
}

const NO_CLOSE_FRAME = 1006
const NOTHING = new ArrayBuffer(0)

/** What there is of a socket that ended as it opened. */
const GONE: ClientSocket = {
  send: () => 1,
  ping: () => 1,
  getBufferedAmount: () => 0,
  end: () => undefined,
  close: () => undefined,
  subscribe: () => true,
  unsubscribe: () => true,
}
