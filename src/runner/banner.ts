/** What the gateway says when it is up: where it listens, and three lines to try. */
import type { Settings } from '../config/types.js'

export function bannerText(settings: Settings, shards: number): string {
  const { runner, handler } = settings
  const [first] = runner.httpPorts
  const host = first === undefined || first.host === '0.0.0.0' || first.host === '::' ? 'localhost' : first.host
  const client = `${host.includes(':') ? `[${host}]` : host}:${String(first?.port ?? 7999)}`
  const publish = `http://${handler.pushInHttpAddr === '0.0.0.0' ? 'localhost' : handler.pushInHttpAddr}:${String(handler.pushInHttpPort)}/publish/`
  const lines = [
    `tackboard is up with ${String(shards)} ${shards === 1 ? 'shard' : 'shards'}`,
    `  clients    ${runner.httpPorts.map(({ host: address, port }) => `${address}:${String(port)}`).join(', ')}`,
  ]
  if (handler.pushInHttpPort !== 0) {
    lines.push(`  publish    ${publish} (also /metrics, /health)`)
  }
  if (handler.pushInSpecs.length > 0) lines.push(`  ZMQ PUSH   ${handler.pushInSpecs.join(', ')}`)
  if (handler.pushInSubSpecs.length > 0) {
    lines.push(`  ZMQ PUB    ${handler.pushInSubSpecs.join(', ')}${handler.pushInSubConnect ? ' (connecting)' : ''}`)
  }
  const item =
    '{"items":[{"channel":"test","formats":{"http-stream":{"content":"hello there\\n"},"ws-message":{"content":"hello there"}}}]}'
  lines.push(
    'try:',
    `  curl -N http://${client}/stream`,
    `  curl -d '${item}' ${publish}`,
    `  npx wscat -c ws://${client}/ws     (or open http://${client}/ in a browser)`,
    '',
  )
  return lines.join('\n')
}
