/** A publisher over HTTP that keeps its connections and publishes without waiting its turn: for thousands of publishes. */
import http from 'node:http'
import type { Item } from './publish.js'

export class KeepAlivePublisher {
  readonly #agent: http.Agent
  readonly #url: string

  /** `controlUrl`: `gateway.controlUrl('/publish/')`. */
  constructor(controlUrl: string, connections = 8) {
    this.#url = controlUrl
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: connections })
  }

  /** Resolves with the 200; fails with anything else. */
  publish(...items: Item[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = http.request(this.#url, { agent: this.#agent, method: 'POST' }, (response) => {
        response.resume()
        response.once('end', () => {
          if (response.statusCode === 200) resolve()
          else reject(new Error(`publish: ${String(response.statusCode)}`))
        })
      })
      request.once('error', reject)
      request.end(JSON.stringify({ items }))
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
