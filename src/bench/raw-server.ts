/**
 * uWebSockets.js alone, a process of its own: `node raw-server.js`, which sends its port to its parent. What the gateway
 * costs is compared with what this costs.
 *
 * `/ws` listens to one topic, `/echo` sends back what it gets, anything else is answered with 100 bytes of text. Each
 * message of the parent is published to the topic.
 */
import uWS from 'uWebSockets.js'

const TOPIC = 'bench'
const BACKPRESSURE_BYTES_MAX = 64 * 1024 * 1024
const PLAIN = 'x'.repeat(100)

const app = uWS
  .App()
  .ws('/ws', { maxBackpressure: BACKPRESSURE_BYTES_MAX, open: (ws) => void ws.subscribe(TOPIC) })
  .ws('/echo', { message: (ws, message, isBinary) => void ws.send(message, isBinary) })
  .any('/*', (response) => void response.writeHeader('Content-Type', 'text/plain').end(PLAIN))

app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) throw new Error('no port')
  process.send?.(uWS.us_socket_local_port(socket))
})
process.on('message', (content: string) => void app.publish(TOPIC, content))
process.on('disconnect', () => process.exit())
