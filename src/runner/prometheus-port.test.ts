import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { freePorts } from '../testing/free-ports.js'
import { RawClient } from '../testing/raw-client.js'
import { metricsText, openPrometheusPort, type PrometheusPort } from './prometheus-port.js'

const TOTALS = { requests: 1, connections: 2, minutes: 3, received: 4, sent: 5 }
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function open(address: string): Promise<PrometheusPort> {
  const port = await openPrometheusPort({ address, setting: 'prometheus_port', prefix: 'p_', totals: TOTALS })
  cleanups.push(() => port.close())
  return port
}

test('the text is that of Pushpin', () => {
  expect(metricsText('p_', TOTALS)).toBe(
    [
      '# HELP p_request_received Number of requests received',
      '# TYPE p_request_received counter',
      'p_request_received 1',
      '# HELP p_connection_connected Number of concurrent connections',
      '# TYPE p_connection_connected gauge',
      'p_connection_connected 2',
      '# HELP p_connection_minute Number of minutes clients have been connected',
      '# TYPE p_connection_minute counter',
      'p_connection_minute 3',
      '# HELP p_message_received Number of messages received by the publish API',
      '# TYPE p_message_received counter',
      'p_message_received 4',
      '# HELP p_message_sent Number of messages sent to clients',
      '# TYPE p_message_sent counter',
      'p_message_sent 5',
      '',
    ].join('\n'),
  )
})

test.each(['GET / HTTP/1.1\r\n\r\n', 'POST /any HTTP/1.1\r\nContent-Length: 1\r\n\r\nx'])(
  '%j gets it',
  async (head) => {
    const [port = 0] = await freePorts(1)
    await open(`127.0.0.1:${String(port)}`)
    const client = await RawClient.connect(port)
    cleanups.push(() => {
      client.destroy()
    })
    await client.send(head)
    const answer = await client.readAnswer()
    expect(answer).toMatchObject({ status: 200 })
    expect(answer.body.toString()).toBe(metricsText('p_', TOTALS))
    await client.closed
  },
)

test('listens on a unix socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tackboard-'))
  cleanups.push(() => rm(folder, { recursive: true }))
  const socketPath = join(folder, 'metrics')
  await open(`ipc://${socketPath}`)
  const status = await new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/' }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.once('error', reject)
    sent.end()
  })
  expect(status).toBe(200)
})

test('an address in use is an error that names the setting and the address', async () => {
  const [port = 0] = await freePorts(1)
  await open(String(port))
  await expect(open(String(port))).rejects.toThrow(`prometheus_port: cannot listen on ${String(port)}: EADDRINUSE`)
})
