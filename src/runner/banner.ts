/** What the gateway says when it is up: where it listens, and a few lines to try where they lead to the built-in backend. */
import type { ListenAddress, Settings } from '../config/types.js'
import { addressText } from '../config/values.js'
import { type RouteTable, TargetKind } from '../routing/types.js'

export function bannerText(settings: Settings, shards: number, routes: RouteTable): string {
  const { runner, handler } = settings
  const control = { host: handler.pushInHttpAddr, port: handler.pushInHttpPort }
  const publish = control.port === 0 ? null : `http://${reachable(control)}/publish/`
  const lines = [`tackboard is up with ${String(shards)} ${shards === 1 ? 'shard' : 'shards'}`]
  const list = (label: string, places: readonly string[]): void => {
    if (places.length > 0) lines.push(`  ${label.padEnd(11)}${places.join(', ')}`)
  }
  list('clients', runner.httpPorts.map(addressText))
  list('with TLS', runner.httpsPorts.map(addressText))
  list(
    'sockets',
    runner.localPorts.map(({ path }) => path),
  )
  list('publish', [publish === null ? 'off: no push_in_http_port' : `${publish} (also /metrics, /health)`])
  list('ZMQ PUSH', handler.pushInSpecs)
  const connecting = handler.pushInSubConnect ? ' (connecting)' : ''
  list(
    'ZMQ PUB',
    handler.pushInSubSpecs.map((spec) => spec + connecting),
  )
  if (isBuiltIn(routes, settings)) lines.push('try:', ...trials(settings, publish))
  lines.push('')
  return lines.join('\n')
}

/** Whether the lines to try are answered, whatever the backends of the routes are. */
function isBuiltIn(routes: RouteTable, { runner }: Settings): boolean {
  const [plain] = runner.httpPorts
  const address = plain ?? runner.httpsPorts[0]
  const host = address === undefined ? 'localhost' : hostOf(address)
  const ssl = plain === undefined && address !== undefined
  const isAnswered = (proto: 'http' | 'ws', path: string): boolean => {
    const kind = routes.match({ proto, ssl, host, path })?.targets[0]?.kind
    return kind === TargetKind.Test || kind === TargetKind.Demo
  }
  return isAnswered('http', '/stream') && isAnswered('ws', '/ws')
}

/** `publish` null: there is no HTTP port for publishers. */
function trials({ runner }: Settings, publish: string | null): readonly string[] {
  const item =
    '{"items":[{"channel":"test","formats":{"http-stream":{"content":"hello there\\n"},"ws-message":{"content":"hello there"}}}]}'
  const post = publish === null ? [] : [`  curl -d '${item}' ${publish}`]
  const [plain] = runner.httpPorts
  const [secure] = runner.httpsPorts
  if (plain !== undefined) {
    const place = reachable(plain)
    const page = `(or open http://${place}/ in a browser)`
    return [`  curl -N http://${place}/stream`, ...post, `  npx wscat -c ws://${place}/ws     ${page}`]
  }
  if (secure !== undefined) {
    const place = reachable(secure)
    return [`  curl -Nk https://${place}/stream`, ...post, `  npx wscat -n -c wss://${place}/ws`]
  }
  return [`  curl -N --unix-socket ${runner.localPorts[0]?.path ?? ''} http://localhost/stream`, ...post]
}

function reachable(address: ListenAddress): string {
  return addressText({ host: hostOf(address), port: address.port })
}

function hostOf({ host }: ListenAddress): string {
  return host === '0.0.0.0' || host === '::' ? 'localhost' : host
}
