// A protocol of its own over a WebSocket, without state: messages in brackets, `[hello world]`, that the client may cut
// into WebSocket messages wherever it likes. Each whole one is answered in capitals: `[HELLO WORLD]`.
//
//   node docs/examples/delimiter/backend.js              the backend, on port 3003
//   npm start -- --route='* 127.0.0.1:3003,over_http'    the gateway, in a second terminal
//   npx wscat -c ws://localhost:7999/                    a client, in a third one: write [foo][hello and then  world]
//
// PORT (3003) comes from the environment.
//
// What stands behind the last `]` is not accepted (Content-Bytes-Accepted). The gateway keeps it and sends it again in
// front of what comes next, and says how much of the body this backend has seen before (Content-Bytes-Replayed).
import { createServer } from 'node:http'

const port = Number(process.env.PORT ?? 3003)
const EVENTS_TYPE = 'application/websocket-events'
const MESSAGE_BYTES_MAX = 10_000
const END = ']'.charCodeAt(0)

const server = createServer(async (request, response) => {
  const body = await readBody(request).catch(() => null)
  if (body === null) return response.destroy() // cut off: there is nobody to answer
  if (request.headers['content-type'] !== EVENTS_TYPE) {
    response.writeHead(400, { 'Content-Type': 'text/plain' })
    return response.end('Connect with a WebSocket.\n')
  }
  const replayed = request.headers['content-bytes-replayed'] ?? '0'
  console.log(`replayed=${replayed} ${JSON.stringify(body.toString())}`)
  const { headers, events } = answer(decodeEvents(body))
  response.writeHead(200, { 'Content-Type': EVENTS_TYPE, ...headers })
  response.end(Buffer.concat(events))
})

function answer(events) {
  if (events[0]?.type === 'OPEN') return { headers: {}, events: [encodeEvent('OPEN')] }
  const content = Buffer.concat(events.filter(isData).map((event) => event.content))
  const whole = content.lastIndexOf(END) + 1
  const messages = content.toString('utf8', 0, whole).match(/\[[^\]]*\]/g) ?? []
  const answers = messages.map((message) => encodeEvent('TEXT', Buffer.from(message.toUpperCase())))
  const close = events.find((event) => event.type === 'CLOSE')
  if (close !== undefined) return { headers: {}, events: [...answers, encodeEvent('CLOSE', close.content)] }
  // 1009: a message without end would be sent again and again, longer each time.
  if (content.length - whole > MESSAGE_BYTES_MAX) {
    return { headers: {}, events: [...answers, encodeEvent('CLOSE', Buffer.from([1009 >> 8, 1009 & 0xff]))] }
  }
  return { headers: { 'Content-Bytes-Accepted': String(acceptedBytes(events, whole)) }, events: answers }
}

/** Content of PING and PONG counts too; the gateway answers pings itself. */
function acceptedBytes(events, taken) {
  let left = taken
  let accepted = 0
  for (const event of events) {
    const bytes = isData(event) ? Math.min(event.content.length, left) : event.content.length
    accepted += bytes
    if (isData(event)) left -= bytes
    if (bytes < event.content.length) break
  }
  return accepted
}

/** TYPE SP size-in-hex CRLF content CRLF, or TYPE CRLF. */
function decodeEvents(body) {
  const events = []
  let at = 0
  while (at < body.length) {
    const lineEnd = body.indexOf('\r\n', at)
    const [type, size] = body.toString('latin1', at, lineEnd).split(' ')
    const start = lineEnd + 2
    const bytes = size === undefined ? 0 : parseInt(size, 16)
    events.push({ type, content: body.subarray(start, start + bytes) })
    at = size === undefined ? start : start + bytes + 2
  }
  return events
}

function encodeEvent(type, content = Buffer.alloc(0)) {
  if (content.length === 0) return Buffer.from(`${type}\r\n`)
  return Buffer.concat([Buffer.from(`${type} ${content.length.toString(16)}\r\n`), content, Buffer.from('\r\n')])
}

function isData(event) {
  return event.type === 'TEXT' || event.type === 'BINARY'
}

async function readBody(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

server.on('error', (error) => {
  console.error(`cannot listen on port ${port}: ${error.message}`)
  process.exitCode = 1
})
server.listen(port, '127.0.0.1', () => {
  console.log(`delimiter backend on http://127.0.0.1:${server.address().port}/`)
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close())
