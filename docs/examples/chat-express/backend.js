// A WebSocket chat without state in the backend: Express 5 and @fanoutio/serve-grip, WebSocket-over-HTTP.
//
//   node docs/examples/chat-express/backend.js           the backend, on port 3000
//   npm start -- --route='* 127.0.0.1:3000,over_http'    the gateway, in a second terminal
//   http://localhost:7999/                               the chat, in as many windows as you like
//
// PORT (3000) and GRIP_URL (http://127.0.0.1:5561/) come from the environment. With a key in GRIP_URL, as in
// http://127.0.0.1:5561/?iss=pushpin&key=changeme, only requests that the gateway has signed with it are answered. With
// several gateways GRIP_URL names them all, separated by blanks: each gets every message.
//
// The gateway holds the WebSockets. Each message arrives here as an HTTP request; what a connection must remember (its
// name) lies with the gateway as meta and comes with every request. So this process can be stopped and started at any
// time, and nobody is disconnected.
import { readFileSync } from 'node:fs'
import { ServeGrip } from '@fanoutio/serve-grip'
import { Publisher, WebSocketMessageFormat } from '@fanoutio/grip'
import express from 'express'

const port = Number(process.env.PORT ?? 3000)
const gripUrls = (process.env.GRIP_URL ?? 'http://127.0.0.1:5561/').split(' ')
const MESSAGE_CHARS_MAX = 2_000
const NAME_CHARS_MAX = 30

const page = readFileSync(new URL('page.html', import.meta.url), 'utf8')
const serveGrip = new ServeGrip({ grip: new Publisher(gripUrls) })
const publisher = serveGrip.getPublisher()
const app = express()
app.disable('x-powered-by')

// While it ends, the backend says with each answer that the connection will not be used again.
let isEnding = false
app.use((request, response, next) => {
  if (isEnding) response.set('Connection', 'close')
  next()
})

app.get('/', (request, response) => {
  response.type('html').send(page)
})

// serve-grip 2.0.0 takes every Grip-Sig for valid (it does not wait for the check), so it is checked here.
const onlySigned = async (request, response, next) => {
  const { needsSigned, isSigned } = await publisher.validateGripSig(request.headers['grip-sig'])
  const keyConfigured = publisher.clients.every((client) => client.getVerifyKey?.() !== undefined)
  if (isSigned || !(needsSigned || keyConfigured)) return next()
  response.status(403).type('text').send('This address is for the gateway only.\n')
}

// A WebSocket to /ws?room=NAME comes as POST requests with WebSocket events.
app.post('/ws', onlySigned, serveGrip, async (request, response) => {
  const socket = request.grip.wsContext
  if (socket === null) return response.status(400).type('text').send('Connect with a WebSocket.\n')
  const room = typeof request.query.room === 'string' ? request.query.room : 'lobby'
  const channel = `room-${encodeURIComponent(room)}`

  if (socket.isOpening()) {
    socket.accept()
    socket.subscribe(channel)
    socket.meta.name = encodeURIComponent(`guest-${socket.id.slice(0, 4)}`)
    socket.send(`Welcome to ${room}, ${nameOf(socket)}. Write /name NAME to be somebody else.`)
  }
  for (const message of messagesOf(socket)) {
    const line = takeLine(socket, message)
    if (line !== null) await say(channel, line, socket)
  }
  response.end()
})

/** What the client sent. Its close is answered, so that the gateway ends the connection in order. */
function* messagesOf(socket) {
  while (socket.canRecv()) {
    let message
    try {
      message = socket.recv()
    } catch {
      return // DISCONNECT: the client is gone, nobody is there to answer
    }
    if (message === null) return socket.close(socket.closeCode ?? 1000)
    yield message
  }
}

/** The line to publish, or null. */
function takeLine(socket, message) {
  if (message.length > MESSAGE_CHARS_MAX) {
    socket.send(`That was longer than ${MESSAGE_CHARS_MAX} characters.`)
    return null
  }
  const name = /^\/name\s+(.+)$/.exec(message)?.[1].trim().slice(0, NAME_CHARS_MAX)
  if (name === undefined) return `${nameOf(socket)}: ${message}`
  const before = nameOf(socket)
  // Meta travels in headers: percent-encoded it is ASCII.
  socket.meta.name = encodeURIComponent(name.toWellFormed())
  return `${before} is now ${name}`
}

function nameOf(socket) {
  try {
    return decodeURIComponent(socket.meta.name ?? 'somebody')
  } catch {
    return 'somebody'
  }
}

/** An error status would end the client's connection, so it is told in words. */
async function say(channel, line, socket) {
  try {
    await publisher.publishFormats(channel, new WebSocketMessageFormat(line))
  } catch (error) {
    console.error(`publish failed: ${error.message}`)
    socket.send('Your message could not be delivered; please try again.')
  }
}

const server = app.listen(port, '127.0.0.1', (error) => {
  if (error) {
    console.error(`cannot listen on port ${port}: ${error.message}`)
    process.exitCode = 1
    return
  }
  console.log(
    `chat backend on http://127.0.0.1:${port}/, publishing to ${gripUrls.map((url) => new URL(url).origin).join(' and ')}`,
  )
})

// New connections are refused: the gateway tries again until the next process is there. Idle ones are not cut, as
// server.close() would do: a request may be on its way on one of them, and what was sent and not answered cannot be sent
// again. They end with their next answer, or unused after 5 s.
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    isEnding = true
    server.closeIdleConnections = () => {}
    server.close()
  })
}
