/**
 * One backend in the four forms a target can have, for SockJS: WebSocket-over-HTTP, a worker that speaks it, a WebSocket
 * server, a worker that speaks WebSocket. Each subscribes to the channel of the query, sends messages back, closes with
 * 4000 at `bye`, and notes what it was told: `open`, the messages, `close` with the code, `gone`.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { zhttpAddresses } from '../routing/zhttp-spec.js'
import { type ZhttpRequest, ZhttpType } from '../wire/zhttp.js'
import { ScriptedBackend } from './scripted-backend.js'
import { Waiters } from './wait.js'
import { controlEvent, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX } from './websocket-over-http.js'
import { StreamWorker, type WorkerSession } from './zhttp-worker.js'

const GRIP = 'grip; message-prefix=""'
const BYE = { code: 4000, reason: 'done "so"' }

const channelOf = (url: string): string => new URL(url, 'ws://backend').searchParams.get('channel') ?? 'none'
const subscribe = (channel: string): string => `c:${JSON.stringify({ type: 'subscribe', channel })}`
const withCode = (code: number, reason: string): Buffer =>
  Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])

/** What backends were told, by channel. */
export class SockJsLog {
  readonly #told = new Map<string, string[]>()
  readonly #waiters = new Waiters()

  note(channel: string, what: string): void {
    this.#told.set(channel, [...this.of(channel), what])
    this.#waiters.changed()
  }

  of(channel: string): readonly string[] {
    return this.#told.get(channel) ?? []
  }

  /** Until the backend has been told this so many times; everything it was told by then. */
  until(channel: string, what: string | RegExp, times = 1): Promise<readonly string[]> {
    const isIt = (text: string): boolean => (typeof what === 'string' ? text === what : what.test(text))
    return this.#waiters.until(
      () => (this.of(channel).filter(isIt).length >= times ? this.of(channel) : undefined),
      () =>
        `${String(what)} of ${channel}; there are ${JSON.stringify(this.of(channel).map((text) => text.slice(0, 99)))}`,
    )
  }
}

export interface SockJsBackend {
  /** As in a route. */
  readonly target: string
  stop(): Promise<void>
}

/** The answer to a request of WebSocket-over-HTTP, as headers and body. */
function answerOverHttp(log: SockJsLog, url: string, body: Buffer): { headers: Record<string, string>; body: Buffer } {
  const channel = channelOf(url)
  const answers = decodeEvents(body).flatMap(({ type, content }) => {
    const text = content?.toString() ?? ''
    if (type === 'OPEN') {
      log.note(channel, 'open')
      return [encodeEvent('OPEN'), controlEvent({ type: 'subscribe', channel })]
    }
    if (type === 'DISCONNECT') return (log.note(channel, 'gone'), [])
    if (type === 'CLOSE') {
      log.note(channel, content === null ? 'close' : `close ${content.readUInt16BE(0)} ${content.toString('utf8', 2)}`)
      return [encodeEvent('CLOSE', content ?? undefined)]
    }
    log.note(channel, text)
    return [text === 'bye' ? encodeEvent('CLOSE', withCode(BYE.code, BYE.reason)) : encodeEvent('TEXT', text)]
  })
  const headers = { 'Content-Type': 'application/websocket-events', ...GRIP_WITHOUT_PREFIX }
  return { headers, body: Buffer.concat(answers) }
}

export interface ServedFile {
  readonly type: string
  readonly body: string
}

/** `files`: by path, for GET; what else is asked for by GET is not there. */
export async function startOverHttp(
  log: SockJsLog,
  files: ReadonlyMap<string, ServedFile> = new Map(),
): Promise<SockJsBackend> {
  const backend = await ScriptedBackend.start((call) => {
    if (call.method === 'GET') {
      const file = files.get(call.url)
      return call.answer(
        file === undefined ? 404 : 200,
        { 'Content-Type': file?.type ?? 'text/plain' },
        file?.body ?? '',
      )
    }
    const { headers, body } = answerOverHttp(log, call.url, call.body)
    call.answer(200, headers, body)
  })
  return { target: `${backend.target},over_http`, stop: () => backend.stop() }
}

export async function startWebSocketServer(log: SockJsLog): Promise<SockJsBackend> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  server.on('headers', (headers) => headers.push(`Sec-WebSocket-Extensions: ${GRIP}`))
  server.on('connection', (socket: WebSocket, request) => {
    const channel = channelOf(request.url ?? '')
    log.note(channel, 'open')
    socket.on('error', () => {})
    socket.on('close', (code, reason) => {
      log.note(channel, code === 1006 ? 'gone' : code === 1005 ? 'close' : `close ${code} ${reason.toString()}`)
    })
    socket.on('message', (data) => {
      const text = (data as Buffer).toString()
      log.note(channel, text)
      if (text === 'bye') socket.close(BYE.code, BYE.reason)
      else socket.send(text)
    })
    socket.send(subscribe(channel))
  })
  const stop = async (): Promise<void> => {
    for (const socket of server.clients) socket.terminate()
    server.close()
    await once(server, 'close')
  }
  return { target: `127.0.0.1:${(server.address() as AddressInfo).port}`, stop }
}

/** A worker for both: what comes with a WebSocket's scheme is one, anything else is WebSocket-over-HTTP. */
export async function startWorker(log: SockJsLog, spec: string): Promise<SockJsBackend> {
  const worker = await StreamWorker.connect(zhttpAddresses(spec), (session, packet) =>
    session.first.uri.startsWith('ws') ? webSocketPacket(log, session, packet) : httpPacket(log, session, packet),
  )
  return { target: `zhttp/${spec}`, stop: () => worker.close() }
}

async function httpPacket(log: SockJsLog, session: WorkerSession, packet: ZhttpRequest): Promise<void> {
  // The body comes once the worker has shown that it is there.
  if (packet.more) return session.send({ type: ZhttpType.Credit, credits: 200_000 })
  if (packet.type !== ZhttpType.Data) return
  const { headers, body } = answerOverHttp(log, session.first.uri, session.body)
  return session.answer(200, Object.entries(headers).flat(), body)
}

async function webSocketPacket(log: SockJsLog, session: WorkerSession, packet: ZhttpRequest): Promise<void> {
  const channel = channelOf(session.first.uri)
  if (packet === session.first) {
    log.note(channel, 'open')
    await session.send({ code: 101, reason: 'OK', credits: 200_000, headers: ['Sec-WebSocket-Extensions', GRIP] })
    return session.send({ body: Buffer.from(subscribe(channel)), contentType: 'text' })
  }
  const { type, body, code, more } = packet
  if (type === ZhttpType.Close) {
    log.note(channel, code === null ? 'close' : `close ${code} ${body?.toString() ?? ''}`)
    return session.send({ type, code, body: body ?? Buffer.alloc(0) })
  }
  if (type === ZhttpType.Cancel || type === ZhttpType.Error) return log.note(channel, 'gone')
  if (type !== ZhttpType.Data) return
  const content = body ?? Buffer.alloc(0)
  if (more) throw new Error('a message in pieces')
  log.note(channel, content.toString())
  const isBye = content.toString() === 'bye'
  if (isBye) return session.send({ type: ZhttpType.Close, code: BYE.code, body: Buffer.from(BYE.reason) })
  return session.send({ body: content, contentType: 'text', credits: content.length })
}
