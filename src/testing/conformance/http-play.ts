/** One HTTP request against a scripted backend, and what the client got, as plain data. */
import type { Scenario } from './scenario.js'
import type { World } from './world.js'

export type Headers = readonly string[]

export interface Backend {
  readonly status?: number
  readonly reason?: string
  readonly headers?: Headers | ((channel: string) => Headers)
  readonly body?: string | ((channel: string) => string)
}

/** Status line, headers and body, chunks joined. Left out: Date; Connection and framing of a body (scenarios of their own). */
export type Seen = readonly [status: string, headers: readonly string[], body: string]

export const NOT_COMPARED = /^(date|connection|transfer-encoding):/i

export interface Play {
  readonly host?: string
  readonly method?: string
  readonly path?: string
  readonly headers?: Headers
  readonly body?: string
  /** Runs once the request is out. */
  readonly then?: (world: World) => Promise<void>
}

export function script(world: World, backend: Backend): string[] {
  const requests: string[] = []
  world.onCall((call) => {
    const { channel } = world
    requests.push(`${call.method} ${call.url.replace(world.scene, 'SCENE')} ${call.body.toString('latin1')}`.trim())
    if (backend.reason !== undefined) call.response.statusMessage = backend.reason
    call.response.sendDate = false
    const headers = typeof backend.headers === 'function' ? backend.headers(channel) : (backend.headers ?? [])
    const body = typeof backend.body === 'function' ? backend.body(channel) : (backend.body ?? '')
    const bytes = Buffer.from(body, 'latin1')
    call.answer(backend.status ?? 200, [...headers, 'Content-Length', String(bytes.length)], bytes)
  })
  return requests
}

export async function play(world: World, { host, method, path, headers, body, then }: Play): Promise<Seen> {
  const client = await world.client()
  const lines = [
    `${method ?? 'GET'} ${world.path(path)} HTTP/1.1`,
    `Host: ${host ?? 'any.test'}`,
    ...(headers ?? []),
    ...(body === undefined ? [] : [`Content-Length: ${body.length}`]),
  ]
  await client.send(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`)
  await then?.(world)
  const answer = await client.readAnswer()
  return [
    `${answer.status} ${answer.reason}`,
    answer.headers.map(([name, value]) => `${name}: ${value}`).filter((line) => !NOT_COMPARED.test(line)),
    answer.body.toString('latin1').replaceAll(world.channel, 'CHANNEL'),
  ]
}

/** One request, one answer of the backend, what the client gets. */
export function once(area: string, name: string, backend: Backend, expected: Seen, options: Play = {}): Scenario {
  return {
    area,
    name,
    expected,
    run: (world) => {
      script(world, backend)
      return play(world, options)
    },
  }
}
