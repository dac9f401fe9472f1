/**
 * The backend of the benchmarks, a process of its own: `node backend-process.js`, which sends its port to its parent.
 *
 * As cheap as node:net allows, because it shares the machine with the gateway. It answers
 * - a WebSocket-over-HTTP OPEN with an acceptance and a subscription to `?channel=`,
 * - any other event with the same bytes (an echo), DISCONNECT with nothing,
 * - everything else with 100 bytes of text.
 */
import net from 'node:net'
import type { AddressInfo } from 'node:net'

const PLAIN = answer('Content-Type: text/plain\r\n', Buffer.alloc(100, 'x'))
const EVENTS = 'Content-Type: application/websocket-events\r\n'
const GRIP = 'Sec-WebSocket-Extensions: grip; message-prefix=""\r\n'
const NOTHING = answer(EVENTS, Buffer.alloc(0))

function answer(headers: string, body: Buffer): Buffer {
  const head = `HTTP/1.1 200 OK\r\n${headers}Content-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

function answerTo(head: string, body: Buffer): Buffer {
  if (!head.startsWith('POST')) return PLAIN
  if (body.toString('latin1', 0, 6) === 'OPEN\r\n') return opened(head)
  return body.toString('latin1', 0, 10) === 'DISCONNECT' ? NOTHING : answer(EVENTS, body)
}

function opened(head: string): Buffer {
  const channel = /[?&]channel=([^& ]+)/.exec(head)?.[1]
  const open = Buffer.from('OPEN\r\n')
  if (channel === undefined) return answer(EVENTS, open)
  const control = `c:{"type":"subscribe","channel":"${channel}"}`
  const event = Buffer.from(`TEXT ${control.length.toString(16)}\r\n${control}\r\n`)
  return answer(EVENTS + GRIP, Buffer.concat([open, event]))
}

const server = net.createServer({ noDelay: true }, (socket) => {
  let pending: Buffer = Buffer.alloc(0)
  socket.on('error', () => {}) // the gateway ends its connections as it likes
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    for (;;) {
      const headEnd = pending.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      const head = pending.toString('latin1', 0, headEnd)
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      const end = headEnd + 4 + length
      if (pending.length < end) return
      socket.write(answerTo(head, pending.subarray(headEnd + 4, end)))
      pending = pending.subarray(end)
    }
  })
})

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.send?.((server.address() as AddressInfo).port)
})
process.on('disconnect', () => process.exit())
