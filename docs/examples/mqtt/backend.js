// An MQTT 3.1.1 broker without state: plain node:http and mqtt-packet, behind the gateway's WebSocket-over-HTTP.
//
//   node docs/examples/mqtt/backend.js                   the backend, on port 3002
//   npm start -- --route='* 127.0.0.1:3002,over_http'    the gateway, in a second terminal
//   npx mqtt sub -h 127.0.0.1 -p 7999 -l ws -t news      a subscriber, in a third one
//   npx mqtt pub -h 127.0.0.1 -p 7999 -l ws -t news -m hello
//
// PORT (3002) and GRIP_URL (http://127.0.0.1:5561/) come from the environment. With a key in GRIP_URL, as in
// http://127.0.0.1:5561/?iss=pushpin&key=changeme, only requests that the gateway has signed with it are answered.
//
// An MQTT client may cut its packets into WebSocket messages wherever it likes. This backend takes whole packets only
// and leaves the rest with the gateway (Content-Bytes-Accepted), which sends it again in front of what comes next. That
// a client has said CONNECT lies with the gateway too (Set-Meta-Mqtt). So nothing is kept here between two requests.
//
// A topic is a channel. Messages are delivered with QoS 0 and are not retained; wildcards and QoS 2 are refused.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import mqttPacket from 'mqtt-packet'

const port = Number(process.env.PORT ?? 3002)
const gripUrl = new URL(process.env.GRIP_URL ?? 'http://127.0.0.1:5561/')
const gripKey = gripUrl.searchParams.get('key')
const gripIssuer = gripUrl.searchParams.get('iss')
const publishUrl = new URL(`${gripUrl.pathname.replace(/\/$/, '')}/publish/`, gripUrl.origin)
const EVENTS_TYPE = 'application/websocket-events'
const PACKET_BYTES_MAX = 100_000
/** RFC 6455 §7.4.1 */
const CLOSE_NORMAL = 1000
const CLOSE_PROTOCOL_ERROR = 1002
const CLOSE_TOO_BIG = 1009
/** MQTT 3.1.1 §3.2.2.3 and §3.9.3 */
const UNACCEPTABLE_VERSION = 1
const SUBSCRIPTION_REFUSED = 128

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error)
    if (response.headersSent) response.destroy()
    else refuse(response, 500, 'That did not work.')
  })
})

async function answer(request, response) {
  const body = await readBody(request)
  if (request.method !== 'POST' || request.headers['content-type'] !== EVENTS_TYPE) {
    return refuse(response, 400, 'Connect with MQTT over a WebSocket.')
  }
  if (gripKey !== null && !isSigned(request)) return refuse(response, 403, 'This address is for the gateway only.')
  const events = decodeEvents(body)
  const reply = { headers: { 'Content-Type': EVENTS_TYPE }, events: [] }
  if (events[0]?.type === 'OPEN') open(request, reply)
  else await receive(events, request.headers['meta-mqtt'] === 'connected', reply)
  response.writeHead(200, reply.headers)
  response.end(Buffer.concat(reply.events))
}

/** An empty message-prefix: what is not a control message (`c:` and JSON) goes to the client as it is. */
function open(request, reply) {
  const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(/\s*,\s*/)
  if (offered.includes('mqtt')) reply.headers['Sec-WebSocket-Protocol'] = 'mqtt'
  reply.headers['Sec-WebSocket-Extensions'] = 'grip; message-prefix=""'
  reply.events.push(encodeEvent('OPEN'))
}

/** Takes as many whole packets as there are, in order, and says how many bytes of content they were. */
async function receive(events, isConnected, reply) {
  const content = Buffer.concat(events.filter(isData).map((event) => event.content))
  const session = { isConnected, closeCode: null }
  let taken = 0
  while (session.closeCode === null && taken < content.length) {
    const bytes = packetBytes(content.subarray(taken))
    if (bytes === null) break
    if (bytes > PACKET_BYTES_MAX) session.closeCode = CLOSE_TOO_BIG
    if (bytes > Math.min(PACKET_BYTES_MAX, content.length - taken)) break
    const packet = decodePacket(content.subarray(taken, taken + bytes))
    try {
      if (packet === null) session.closeCode = CLOSE_PROTOCOL_ERROR
      else await handle(packet, session, reply)
    } catch (error) {
      // Not taken: the packet comes again with the client's next one, at the latest with its PINGREQ.
      console.error(`${packet.cmd}: ${error.message}`)
      break
    }
    taken += bytes
  }
  if (session.isConnected && !isConnected) reply.headers['Set-Meta-Mqtt'] = 'connected'
  const close = events.find((event) => event.type === 'CLOSE')
  if (close !== undefined) reply.events.push(encodeEvent('CLOSE', close.content))
  else if (session.closeCode !== null) reply.events.push(encodeEvent('CLOSE', uint16(session.closeCode)))
  else if (taken < content.length) reply.headers['Content-Bytes-Accepted'] = String(acceptedBytes(events, taken))
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

async function handle(packet, session, reply) {
  const send = (answerPacket) => reply.events.push(encodeEvent('BINARY', mqttPacket.generate(answerPacket)))
  const control = (message) => reply.events.push(encodeEvent('TEXT', Buffer.from(`c:${JSON.stringify(message)}`)))
  if ((packet.cmd === 'connect') === session.isConnected) {
    session.closeCode = CLOSE_PROTOCOL_ERROR // CONNECT comes first, and once
    return
  }
  switch (packet.cmd) {
    case 'connect':
      if (packet.protocolVersion === 4) {
        send({ cmd: 'connack', returnCode: 0, sessionPresent: false })
        session.isConnected = true
      } else {
        send({ cmd: 'connack', returnCode: UNACCEPTABLE_VERSION, sessionPresent: false })
        session.closeCode = CLOSE_NORMAL
      }
      break
    case 'subscribe': {
      const granted = packet.subscriptions.map(({ topic }) => (isFilter(topic) ? SUBSCRIPTION_REFUSED : 0))
      for (const [index, { topic }] of packet.subscriptions.entries()) {
        if (granted[index] === 0) control({ type: 'subscribe', channel: channelOf(topic) })
      }
      send({ cmd: 'suback', messageId: packet.messageId, granted })
      break
    }
    case 'unsubscribe':
      for (const topic of packet.unsubscriptions) control({ type: 'unsubscribe', channel: channelOf(topic) })
      send({ cmd: 'unsuback', messageId: packet.messageId })
      break
    case 'publish':
      if (packet.qos === 2 || isFilter(packet.topic)) {
        session.closeCode = CLOSE_PROTOCOL_ERROR
        break
      }
      await publish(packet.topic, packet.payload)
      if (packet.qos === 1) send({ cmd: 'puback', messageId: packet.messageId })
      break
    case 'pingreq':
      send({ cmd: 'pingresp' })
      break
    case 'disconnect':
      session.closeCode = CLOSE_NORMAL
      break
    default:
      session.closeCode = CLOSE_PROTOCOL_ERROR
  }
}

function channelOf(topic) {
  return `mqtt:${topic}`
}

function isFilter(topic) {
  return /[+#]/.test(topic)
}

/** Every subscriber gets the same bytes: one PUBLISH packet in one binary message. */
async function publish(topic, payload) {
  const packet = mqttPacket.generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false })
  const formats = { 'ws-message': { 'content-bin': packet.toString('base64') } }
  const response = await fetch(publishUrl, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ items: [{ channel: channelOf(topic), formats }] }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${publishUrl} answered ${response.status}: ${text}`)
}

/** Length of the packet at the start of `bytes`, from its fixed header (MQTT 3.1.1 §2.2.3); null: cut in its header. */
function packetBytes(bytes) {
  let length = 0
  for (let at = 1; at < bytes.length && at <= 4; at++) {
    length += (bytes[at] & 0x7f) * 2 ** (7 * (at - 1))
    if (bytes[at] < 0x80) return at + 1 + length
  }
  return bytes.length > 4 ? Infinity : null
}

/** null: malformed. */
function decodePacket(bytes) {
  let packet = null
  const parser = mqttPacket.parser({ protocolVersion: 4 })
  parser.on('packet', (parsed) => (packet = parsed))
  parser.on('error', () => (packet = null))
  parser.parse(bytes)
  return packet
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

function uint16(value) {
  return Buffer.from([value >> 8, value & 0xff])
}

async function readBody(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function refuse(response, status, text) {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' })
  response.end(`${text}\n`)
}

/** Grip-Sig is a JWT (RFC 7519), signed with HS256 and the key that the gateway's configuration names as sig_key. */
function isSigned(request) {
  const [head = '', claims = '', signature = ''] = String(request.headers['grip-sig'] ?? '').split('.')
  const expected = createHmac('sha256', gripKey).update(`${head}.${claims}`).digest()
  const given = Buffer.from(signature, 'base64url')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false
  try {
    const { iss, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString())
    return exp * 1000 > Date.now() && (gripIssuer === null || iss === gripIssuer)
  } catch {
    return false
  }
}

server.on('error', (error) => {
  console.error(`cannot listen on port ${port}: ${error.message}`)
  process.exitCode = 1
})
server.listen(port, '127.0.0.1', () => {
  console.log(`MQTT backend on http://127.0.0.1:${server.address().port}/, publishing to ${publishUrl}`)
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close())
