/**
 * A backend for those who want to measure through one (--backend-port), in a thread of its own:
 *
 * - WebSocket-over-HTTP: OPEN is accepted, with a subscription to `?channel=`; all other events go back as they came.
 * - `/stream`: a stream hold on `?channel=`.
 * - anything else: a response with the wanted number of bytes.
 */
import { once } from 'node:events'
import http from 'node:http'
import type { MessagePort } from 'node:worker_threads'

export interface BackendStart {
  readonly host: string
  readonly listenPort: number
  readonly responseBytes: number
  /** One Int32: requests so far. */
  readonly requests: SharedArrayBuffer
  /** It says `listening`, or `failed: …`; a message to it ends it. */
  readonly port: MessagePort
}

const EVENTS_TYPE = 'application/websocket-events'
const OPEN = 'OPEN\r\n'

export async function runBackend({ host, listenPort, responseBytes, requests, port }: BackendStart): Promise<void> {
  const count = new Int32Array(requests)
  const plain = Buffer.alloc(responseBytes, 'x')
  const server = http.createServer((request, response) => {
    count[0] = (count[0] as number) + 1
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => answer(request, Buffer.concat(chunks), plain, response))
  })
  server.keepAliveTimeout = 0
  const ended = once(port, 'message')
  try {
    server.listen(listenPort, host)
    await once(server, 'listening')
    port.postMessage('listening')
    await ended
  } catch (error) {
    port.postMessage(`failed: ${(error as Error).message}`)
  }
  server.close()
  server.closeAllConnections()
  port.close()
}

function answer(request: http.IncomingMessage, body: Buffer, plain: Buffer, response: http.ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://backend')
  const channel = searchParams.get('channel')
  if (request.headers['content-type'] === EVENTS_TYPE) return answerEvents(body.toString('latin1'), channel, response)
  if (pathname === '/stream' && channel !== null) {
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Grip-Hold': 'stream', 'Grip-Channel': channel })
    return void response.end('stream opened\n')
  }
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': plain.length })
  response.end(plain)
}

function answerEvents(events: string, channel: string | null, response: http.ServerResponse): void {
  const headers: Record<string, string> = { 'Content-Type': EVENTS_TYPE }
  const isOpening = events.startsWith(OPEN)
  let answer = events.startsWith('DISCONNECT') ? '' : events
  if (isOpening && channel !== null) {
    // Without a prefix for messages: what is no control message goes to the client as it is.
    headers['Sec-WebSocket-Extensions'] = 'grip; message-prefix=""'
    const subscribe = `c:${JSON.stringify({ type: 'subscribe', channel })}`
    answer = `${OPEN}TEXT ${Buffer.byteLength(subscribe).toString(16)}\r\n${subscribe}\r\n${events.slice(OPEN.length)}`
  }
  const bytes = Buffer.from(answer, 'latin1')
  response.writeHead(200, { ...headers, 'Content-Length': bytes.length })
  response.end(bytes)
}
