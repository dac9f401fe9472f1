/** docs/examples/stream-node with curl, as its README says. (The other examples have files of their own.) */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Command, hasCommand, runCommand } from '../command.js'
import { ExampleBackend } from '../example-backend.js'
import { freePorts } from '../free-ports.js'
import { type Gateway, startGateway } from '../gateway.js'

const KEY = 'changeme'
const withoutCurl = !hasCommand('the stream example', 'curl', '--version')

let gateway: Gateway
let backend: ExampleBackend
const commands: Command[] = []

beforeAll(async () => {
  const [port] = (await freePorts(1)) as [number]
  const conf = { 'proxy.sig_iss': 'pushpin', 'proxy.sig_key': KEY }
  gateway = await startGateway({ routes: [`* 127.0.0.1:${port}`], conf })
  const gripUrl = gateway.controlUrl(`/?iss=pushpin&key=${KEY}`)
  backend = await ExampleBackend.start('stream-node', { PORT: String(port), GRIP_URL: gripUrl })
})

afterEach(async () => {
  await Promise.all(commands.splice(0).map((command) => command.kill()))
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

function curl(...args: string[]): Command {
  const command = Command.start('curl', '-sS', ...args)
  commands.push(command)
  return command
}

const publish = (text: string): Promise<string> =>
  runCommand('curl', '-sS', '--data-binary', text, gateway.httpUrl('/publish'))

test.skipIf(withoutCurl)('a stream, an event stream and a long poll get what is published', async () => {
  const stream = curl('-N', gateway.httpUrl('/stream'))
  const events = curl('-N', '-i', gateway.httpUrl('/events'))
  const poll = curl('-i', gateway.httpUrl('/poll'))
  await Promise.all([stream.printed('stream opened\n'), events.printed(':stream opened\n\n')])
  await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 1)

  expect(await publish('hello\nthere')).toBe('Published\n')
  await stream.printed('stream opened\nhello\nthere\n')
  await events.printed('\ndata: hello\ndata: there\n\n')
  expect(events.stdout).toContain('\r\nContent-Type: text/event-stream\r\n')
  const answer = await poll.end()
  expect(answer).toContain('\r\nContent-Type: application/json\r\n')
  const id = /^id: (\d+)$/m.exec(events.stdout)?.[1]
  expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toEqual({ id: Number(id), text: 'hello\nthere' })
})

test.skipIf(withoutCurl)('a long poll that comes a moment too late is answered at once', async () => {
  expect(await publish('first')).toBe('Published\n')
  const first = JSON.parse(await runCommand('curl', '-sS', gateway.httpUrl('/poll?after=0'))) as { id: number }
  expect(first).toMatchObject({ text: 'first' })
  const waiting = curl(gateway.httpUrl(`/poll?after=${first.id}`))
  await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 1)
  await publish('second')
  expect(JSON.parse(await waiting.end())).toMatchObject({ text: 'second' })
})

test.skipIf(withoutCurl)('nobody but the gateway is answered, and a message that is too long is refused', async () => {
  const direct = `http://127.0.0.1:${backend.port}/stream`
  expect(await runCommand('curl', '-sS', '-w', '%{http_code}', direct)).toBe(
    'This address is for the gateway only.\n403',
  )
  expect(await publish('x'.repeat(10_001))).toBe('At most 10000 bytes.\n')
})
