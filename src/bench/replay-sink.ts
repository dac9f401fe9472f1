/**
 * The backend of the replay bench, a process of its own: `node replay-sink.js`, which sends its port to its parent. It
 * reads requests as cheaply as node:net allows and answers OPEN with an acceptance, anything else with the number of
 * accepted bytes that the path names: `/ACCEPTED`.
 */
import net from 'node:net'
import type { AddressInfo } from 'node:net'

function answerTo(head: string): string {
  const accepted = /^POST \/(\d+) /.exec(head)?.[1]
  const body = accepted === undefined ? 'OPEN\r\n' : ''
  const acceptedLine = accepted === undefined ? '' : `Content-Bytes-Accepted: ${accepted}\r\n`
  const type = 'Content-Type: application/websocket-events\r\n'
  return `HTTP/1.1 200 OK\r\n${type}${acceptedLine}Content-Length: ${String(body.length)}\r\n\r\n${body}`
}

const server = net.createServer({ noDelay: true, highWaterMark: 1 << 20 }, (socket) => {
  let head = ''
  let missing = 0
  socket.on('error', () => {}) // the bench ends its connections as it likes
  socket.on('data', (chunk) => {
    if (missing > 0) {
      missing -= chunk.length
    } else {
      const length = head.length
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      missing = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0) - (chunk.length - (end + 4 - length))
      head = head.slice(0, end)
    }
    if (missing > 0) return
    socket.write(answerTo(head))
    head = ''
  })
})

server.listen({ port: 0, host: '127.0.0.1' }, () => {
  process.send?.((server.address() as AddressInfo).port)
})
process.on('disconnect', () => process.exit())
