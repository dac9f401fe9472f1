/**
 * The backend of the restart chat, with nothing in memory: a worker of node:cluster, PORT and PUBLISH_URL in its
 * environment. A client of `/?room=R` is subscribed to R. Each of its messages is published to the room, then answered
 * with `ack MESSAGE`.
 *
 * SIGTERM: it listens no more, and answers what comes over open connections, each for the last time, until the last of
 * them is gone. (To close an idle connection is no clean end: a request may be on its way over it.)
 */
import http from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'

const { PORT: port = '', PUBLISH_URL: publishUrl = '' } = process.env
let isEnding = false

function encodeEvent(type: string, content: string): string {
  return `${type} ${Buffer.byteLength(content).toString(16)}\r\n${content}\r\n`
}

/** Contents are ASCII without line breaks. */
function decodeEvents(body: string): (readonly [type: string, content: string])[] {
  return [...body.matchAll(/([A-Z]+)(?: [0-9a-f]+\r\n(.*))?\r\n/g)].map(([, type = '', content = '']) => [
    type,
    content,
  ])
}

async function publish(room: string, messages: readonly string[]): Promise<void> {
  const items = messages.map((content) => ({ channel: room, formats: { 'ws-message': { content } } }))
  const response = await fetch(publishUrl, { method: 'POST', body: JSON.stringify({ items }) })
  if (!response.ok) throw new Error(`publish: ${String(response.status)} ${await response.text()}`)
  await response.arrayBuffer()
}

async function answerTo(url: string, body: string): Promise<string> {
  const room = new URL(url, 'http://backend').searchParams.get('room') ?? ''
  const messages: string[] = []
  let answer = ''
  for (const [type, content] of decodeEvents(body)) {
    if (type === 'OPEN') answer += `OPEN\r\n${encodeEvent('TEXT', `c:{"type":"subscribe","channel":"${room}"}`)}`
    else if (type === 'CLOSE') answer += encodeEvent('CLOSE', content)
    else if (type === 'TEXT') messages.push(content)
  }
  if (messages.length > 0) await publish(room, messages)
  return answer + messages.map((message) => encodeEvent('TEXT', `ack ${message}`)).join('')
}

const server = http.createServer((request, response) => {
  const answer = async (): Promise<void> => {
    const body = await answerTo(request.url ?? '', await text(request))
    if (isEnding) response.setHeader('Connection', 'close')
    response.setHeader('Content-Type', 'application/websocket-events')
    response.setHeader('Sec-WebSocket-Extensions', 'grip; message-prefix=""')
    response.end(body)
  }
  answer().catch((error: unknown) => {
    console.error(error)
    response.destroy()
  })
})
server.keepAliveTimeout = 0
server.listen(Number(port), '127.0.0.1')
process.once('SIGTERM', () => {
  isEnding = true
  // http.Server.close() would end idle connections too.
  net.Server.prototype.close.call(server, () => process.exit(0))
})
process.once('disconnect', () => process.exit(1))
