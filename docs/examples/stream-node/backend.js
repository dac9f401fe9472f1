// Plain node:http behind the gateway: an HTTP stream, an event stream, a long poll, and an address to publish.
//
//   node docs/examples/stream-node/backend.js      the backend, on port 3001
//   npm start -- --route='* 127.0.0.1:3001'        the gateway, in a second terminal
//   curl -N http://localhost:7999/stream           a stream, in a third one
//   curl -d 'hello' http://localhost:7999/publish  a message, in a fourth one
//
// PORT (3001) and GRIP_URL (http://127.0.0.1:5561/) come from the environment. With a key in GRIP_URL, as in
// http://127.0.0.1:5561/?iss=pushpin&key=changeme, only requests that the gateway has signed with it are answered.
//
// No library is needed: a response with Grip-Hold is kept open by the gateway, and this process is done with it.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const port = Number(process.env.PORT ?? 3001)
const gripUrl = new URL(process.env.GRIP_URL ?? 'http://127.0.0.1:5561/')
const gripKey = gripUrl.searchParams.get('key')
const gripIssuer = gripUrl.searchParams.get('iss')
const publishUrl = new URL(`${gripUrl.pathname.replace(/\/$/, '')}/publish/`, gripUrl.origin)
const CHANNEL = 'news'
const MESSAGE_BYTES_MAX = 10_000

/** What a long poll that comes a moment too late gets. A real backend would ask its database. */
let last = { id: 0, text: '' }

const routes = {
  'GET /stream': (request, response) => {
    response.writeHead(200, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Grip-Hold': 'stream',
      'Grip-Channel': CHANNEL,
      'Grip-Keep-Alive': '\\n; format=cstring; timeout=30',
    })
    response.end('stream opened\n')
  },

  // A channel of its own: its messages are framed for EventSource.
  'GET /events': (request, response) => {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'Grip-Hold': 'stream',
      'Grip-Channel': `${CHANNEL}-events`,
      'Grip-Keep-Alive': ':keep-alive\\n\\n; format=cstring; timeout=30',
    })
    response.end(':stream opened\n\n')
  },

  // GET /poll?after=ID waits for a message newer than ID; without `after`, for the next one. After 55 s it answers with
  // what is written here: no message, ask again.
  'GET /poll': (request, response, url) => {
    const after = url.searchParams.get('after')
    response.setHeader('Content-Type', 'application/json')
    if (after !== null && Number(after) < last.id) return response.end(`${JSON.stringify(last)}\n`)
    response.writeHead(200, { 'Grip-Hold': 'response', 'Grip-Channel': CHANNEL, 'Grip-Timeout': '55' })
    response.end(`${JSON.stringify({ id: last.id, text: null })}\n`)
  },

  'POST /publish': async (request, response) => {
    const text = await readText(request)
    if (text === null) return answer(response, 413, `At most ${MESSAGE_BYTES_MAX} bytes.`)
    last = { id: Math.max(Date.now(), last.id + 1), text }
    await publish(last)
    answer(response, 200, 'Published')
  },
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://backend')
  const route = routes[`${request.method} ${url.pathname}`]
  if (route === undefined) return answer(response, 404, 'Try /stream, /events, /poll or POST /publish.')
  if (gripKey !== null && !isSigned(request)) return answer(response, 403, 'This address is for the gateway only.')
  Promise.resolve(route(request, response, url)).catch((error) => {
    console.error(`${request.method} ${url.pathname}: ${error.message}`)
    if (response.headersSent) response.destroy()
    else answer(response, 502, 'That did not work.')
  })
})

function answer(response, status, text) {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' })
  response.end(`${text}\n`)
}

/** null: too long. */
async function readText(request) {
  const chunks = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes <= MESSAGE_BYTES_MAX) chunks.push(chunk)
  }
  return bytes > MESSAGE_BYTES_MAX ? null : Buffer.concat(chunks).toString()
}

async function publish({ id, text }) {
  const event = text.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  const items = [
    {
      channel: CHANNEL,
      formats: {
        'http-stream': { content: `${text}\n` },
        'http-response': { headers: { 'Content-Type': 'application/json' }, body: `${JSON.stringify({ id, text })}\n` },
      },
    },
    { channel: `${CHANNEL}-events`, formats: { 'http-stream': { content: `id: ${id}\n${event.join('')}\n` } } },
  ]
  const response = await fetch(publishUrl, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ items }),
  })
  if (!response.ok) throw new Error(`${publishUrl} answered ${response.status}: ${await response.text()}`)
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
  console.log(`stream backend on http://127.0.0.1:${port}/, publishing to ${publishUrl}`)
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close())
