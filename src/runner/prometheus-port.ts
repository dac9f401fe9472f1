/**
 * Pushpin's metrics for Prometheus (reference: Prometheus): five names, on a port of their own. Any method and path gets
 * them. Ours, which say more, are at /metrics of the control port.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { PROMETHEUS_CONNECTIONS_MAX, PROMETHEUS_HEAD_BYTES_MAX } from '../base/limits.js'
import { listenAddressOf } from '../config/values.js'
import { speakHttp10 } from './http10.js'
import type { Totals } from './report-book.js'
import { freeSocketPath } from './socket-path.js'

export interface PrometheusPortOptions {
  /** `[addr:]port` or `ipc://path`. */
  readonly address: string
  /** The key it comes from, for errors. */
  readonly setting: string
  /** In front of the names. */
  readonly prefix: string
  /** Read at each request. */
  readonly totals: Totals
}

export interface PrometheusPort {
  close(): Promise<void>
}

const REQUEST_TIMEOUT_MS = 10_000

/** Rejects with an error that names the setting and the address. */
export async function openPrometheusPort(options: PrometheusPortOptions): Promise<PrometheusPort> {
  const { address, setting } = options
  const server = createServer(
    { maxHeaderSize: PROMETHEUS_HEAD_BYTES_MAX, requestTimeout: REQUEST_TIMEOUT_MS, requireHostHeader: false },
    (request, response) => {
      answer(request, response, metricsText(options.prefix, options.totals))
    },
  )
  server.maxConnections = PROMETHEUS_CONNECTIONS_MAX
  try {
    await listen(server, address)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`${setting}: cannot listen on ${address}: ${code ?? message}`, { cause: error })
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

/** The bytes that Pushpin writes. */
export function metricsText(prefix: string, totals: Totals): string {
  const metrics = [
    ['request_received', 'counter', 'Number of requests received', totals.requests],
    ['connection_connected', 'gauge', 'Number of concurrent connections', totals.connections],
    ['connection_minute', 'counter', 'Number of minutes clients have been connected', totals.minutes],
    ['message_received', 'counter', 'Number of messages received by the publish API', totals.received],
    ['message_sent', 'counter', 'Number of messages sent to clients', totals.sent],
  ] as const
  return metrics
    .map(([name, type, help, value]) => {
      const full = prefix + name
      return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${full} ${String(value)}\n`
    })
    .join('')
}

function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
  request.resume()
  response.sendDate = false
  const length = String(Buffer.byteLength(text))
  response.writeHead(200, 'OK', ['Content-Type', 'text/plain', 'Connection', 'close', 'Content-Length', length])
  if (request.httpVersion === '1.0') speakHttp10(response)
  response.end(text)
}

async function listen(server: Server, address: string): Promise<void> {
  const path = address.startsWith('ipc://') ? address.slice('ipc://'.length) : null
  if (path !== null) {
    const taken = await freeSocketPath(path)
    if (taken !== null) throw new Error(taken)
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const where = path === null ? listenAddressOf(address) : { path }
    server.listen({ ...where, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
