/**
 * The raw limit: uWebSockets.js with nothing around it, one thread. `node raw-server.js PORT`.
 *
 *   GET /ws?channel=C      a WebSocket subscribed to C
 *   GET /echo              a WebSocket whose messages come back
 *   GET /publish           a WebSocket whose messages `C content` go to the WebSockets and streams of C
 *   GET /stream?channel=C  a stream; what is published in one turn goes to it in one write
 *   POST /publish/         a publish request of GRIP: parsed, and its contents published
 *   GET anything else      100 bytes of text
 */
import uWS from 'uWebSockets.js'
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'

const PLAIN = 'x'.repeat(100)
/** A client that reads nothing is not what is measured here: nothing is dropped. */
const OPTIONS = { maxBackpressure: 0, idleTimeout: 0, sendPingsAutomatically: false }

interface Subscribed {
  readonly channel: string
}

interface Item {
  readonly channel: string
  readonly formats: { readonly 'ws-message'?: { readonly content: string } }
}

/** Streams of one channel, and what the turn has for them. */
interface Streams {
  readonly responses: Set<HttpResponse>
  chunks: Buffer[]
}

interface Publish {
  readonly channel: string
  readonly content: Buffer
}

const streams = new Map<string, Streams>()
let publishes: Publish[] = []

/**
 * Publishing waits for the end of the turn: in a callback of uWebSockets.js that socket is corked and no other can be,
 * and then every message of a batch would be a write of its own.
 */
function publishLater(publish: Publish): void {
  publishes.push(publish)
  if (publishes.length === 1) setImmediate(publishAll)
}

function publishAll(): void {
  const all = publishes
  publishes = []
  const dirty: Streams[] = []
  for (const { channel, content } of all) {
    app.publish(channel, content, false)
    const receivers = streams.get(channel)
    if (receivers === undefined) continue
    if (receivers.chunks.length === 0) dirty.push(receivers)
    receivers.chunks.push(content)
  }
  for (const receivers of dirty) {
    const chunk = receivers.chunks.length === 1 ? (receivers.chunks[0] as Buffer) : Buffer.concat(receivers.chunks)
    receivers.chunks = []
    for (const response of receivers.responses) response.cork(() => response.write(chunk))
  }
}

function openStream(response: HttpResponse, request: HttpRequest): void {
  const channel = request.getQuery('channel') ?? ''
  const receivers: Streams = streams.get(channel) ?? { responses: new Set(), chunks: [] }
  streams.set(channel, receivers)
  receivers.responses.add(response)
  response.onAborted(() => receivers.responses.delete(response))
  response.writeHeader('Content-Type', 'text/plain')
  response.write('opened\n')
}

const app = uWS.App()

app.ws<Subscribed>('/ws', {
  ...OPTIONS,
  upgrade(response, request, context) {
    response.upgrade(
      { channel: request.getQuery('channel') ?? '' },
      request.getHeader('sec-websocket-key'),
      request.getHeader('sec-websocket-protocol'),
      request.getHeader('sec-websocket-extensions'),
      context,
    )
  },
  open: (socket) => void socket.subscribe(socket.getUserData().channel),
})

app.ws('/echo', { ...OPTIONS, message: (socket, message, isBinary) => void socket.send(message, isBinary) })

app.ws('/publish', {
  ...OPTIONS,
  message(_socket, message) {
    const bytes = Buffer.from(message.slice(0)) // the original is gone when the callback returns
    const space = bytes.indexOf(32)
    publishLater({ channel: bytes.toString('latin1', 0, space), content: bytes.subarray(space + 1) })
  },
})

app.get('/stream', openStream)

app.post('/publish/', (response) => {
  const chunks: Buffer[] = []
  response.onAborted(() => {})
  response.onData((chunk, isLast) => {
    chunks.push(Buffer.from(chunk.slice(0)))
    if (!isLast) return
    const { items } = JSON.parse(Buffer.concat(chunks).toString()) as { items: readonly Item[] }
    for (const { channel, formats } of items) {
      publishLater({ channel, content: Buffer.from(formats['ws-message']?.content ?? '') })
    }
    response.end('Published\n')
  })
})

app.any('/*', (response) => {
  response.writeHeader('Content-Type', 'text/plain').end(PLAIN)
})

app.listen('127.0.0.1', Number(process.argv[2]), (socket) => {
  if (socket === false) throw new Error(`cannot listen on ${process.argv[2]}`)
  console.log('ready')
})
