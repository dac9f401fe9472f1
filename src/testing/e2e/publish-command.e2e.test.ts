/** The command tackboard-publish: the bytes it sends, which are those of pushpin-publish, and publishes that arrive. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import * as zmq from 'zeromq'
import { plainOfTnetstring } from '../commander.js'
import { freePorts } from '../free-ports.js'
import { PROJECT_FOLDER, startGateway } from '../gateway.js'
import { StreamClient } from '../stream-client.js'
import { DEFAULT_FILES } from '../tls-files.js'
import { withDeadline } from '../wait.js'

const COMMAND = join(PROJECT_FOLDER, 'dist/publish/main.js')
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Run {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const child = spawn(process.execPath, [COMMAND, ...args], { env: { ...process.env, NODE_OPTIONS: '', ...env } })
  let out = ''
  let err = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const [code] = (await withDeadline(once(child, 'close'), () => `the end of ${args.join(' ')}`)) as [number | null]
  return { code, out, err }
}

const PUBLISHED = { code: 0, out: 'Published\n', err: '' }
const OK = 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nPublished\n'

/** A server that keeps what one client sends, and gives one answer. */
async function serve(answer = OK, secure?: tls.SecureContextOptions): Promise<{ port: number; request(): string }> {
  let request = ''
  const handle = (socket: net.Socket): void => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      request += bytes.toString('latin1')
      const [head = '', body] = request.split(/\r\n\r\n(.*)/s)
      if (body !== undefined && body.length === Number(/Content-Length: (\d+)/.exec(head)?.[1])) socket.end(answer)
    })
  }
  const server = secure === undefined ? net.createServer(handle) : tls.createServer(secure, handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return { port: (server.address() as net.AddressInfo).port, request: () => request }
}

async function file(content: string | Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'publish-'))
  cleanups.push(() => rm(folder, { recursive: true }))
  const path = join(folder, 'content')
  await writeFile(path, content)
  return path
}

describe('the bytes of pushpin-publish', () => {
  test.each([
    [
      ['chan', 'hi'],
      '{"channel":"chan","formats":{"http-response":{"body":"hi\\n","code":200},"http-stream":{"content":"hi\\n"},"ws-message":{"content":"hi"}}}',
    ],
    [
      [
        ...['chan', 'hi', '--id=1', '--prev-id=0', '--sender=me', '-M', 'a=b', '--no-seq', '--no-eol'],
        ...['--code', '404', '-H', 'A: b', '-H', 'c:d'],
      ],
      '{"channel":"chan","formats":{"http-response":{"body":"hi","code":404,"headers":[["A","b"],["c","d"]]},"http-stream":{"content":"hi"},"ws-message":{"content":"hi"}},"id":"1","meta":{"a":"b","sender":"me"},"no-seq":true,"prev-id":"0"}',
    ],
    [
      ['chan', '--hint'],
      '{"channel":"chan","formats":{"http-response":{"action":"hint"},"http-stream":{"action":"hint"},"ws-message":{"action":"hint"}}}',
    ],
    [
      ['chan', '--close'],
      '{"channel":"chan","formats":{"http-stream":{"action":"close"},"ws-message":{"action":"close"}}}',
    ],
    [
      ['chan', '[{"op":"add","path":"/a","value":{"b":1.5,"a":[true,null]}}]', '--patch'],
      '{"channel":"chan","formats":{"http-response":{"body-patch":[{"op":"add","path":"/a","value":{"a":[true,null],"b":1.5}}],"code":200}}}',
    ],
  ])('%j', async (args, item) => {
    const { port, request } = await serve()
    expect(await run([`--spec=http://127.0.0.1:${port}/base`, ...args])).toEqual(PUBLISHED)
    const body = `{"items":[${item}]}`
    expect(request()).toBe(
      `POST /base/publish/ HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
  })

  test('a file: without a line end, and in base64 when it is no text', async () => {
    const { port, request } = await serve()
    const content = await file(Buffer.from('file\xffcontent', 'latin1'))
    expect(await run(['chan', `@${content}`], { GRIP_URL: `http://127.0.0.1:${port}` })).toEqual(PUBLISHED)
    const bin = 'ZmlsZf9jb250ZW50'
    expect(request()).toContain(
      `{"http-response":{"body-bin":"${bin}","code":200},"http-stream":{"content-bin":"${bin}"},"ws-message":{"content-bin":"${bin}"}}`,
    )
  })

  test('a tnetstring by ZeroMQ, where that of 1.41 fails', async () => {
    const pull = new zmq.Pull({ linger: 0 })
    cleanups.push(() => pull.close())
    const [port = 0] = await freePorts(1)
    await pull.bind(`tcp://127.0.0.1:${port}`)
    const content = await file(Buffer.from([0xff, 0]))
    expect(await run([`--spec=tcp://127.0.0.1:${port}`, 'chan', `@${content}`, '--no-seq'])).toEqual(PUBLISHED)
    const [message] = await withDeadline(pull.receive(), () => 'a message')
    expect(plainOfTnetstring(message as Buffer)).toEqual({
      channel: 'chan',
      formats: {
        'http-response': { body: '\xff\0', code: 200 },
        'http-stream': { content: '\xff\0' },
        'ws-message': { content: '\xff\0' },
      },
      'no-seq': true,
    })
  })

  test('authentication, over TLS only', async () => {
    const { port, request } = await serve(OK, DEFAULT_FILES)
    const spec = `--spec=https://localhost:${port}`
    const env = { SSL_CERT_FILE: await file(DEFAULT_FILES.cert) }
    expect(await run([spec, 'chan', 'hi', '-u', 'me:secret'], env)).toEqual(PUBLISHED)
    expect(request()).toContain('\r\nAuthorization: Basic bWU6c2VjcmV0\r\n\r\n')
    const plain = await run([`--spec=http://127.0.0.1:${port}`, 'chan', 'hi', '-u', 'me:secret'])
    expect(plain).toEqual({ code: 1, out: '', err: 'Error: Authentication requires https\n' })
  })
})

describe('what goes wrong is said', () => {
  test('the answer of the server', async () => {
    const { port } = await serve('HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nBad thing.\n')
    const result = await run([`--spec=http://127.0.0.1:${port}`, 'chan', 'hi'])
    expect(result).toEqual({ code: 1, out: '', err: 'Error: Bad thing.\n' })
  })

  test.each([
    [['--spec=http://127.0.0.1:1', 'chan', 'hi'], 1, 'Error: Connection refused (os error 111)\n'],
    [['--spec=http:x', 'chan', 'hi'], 1, 'Error: invalid URL\n'],
    [['--spec=nothing', 'chan', 'hi'], 1, 'Error: Invalid argument\n'],
    [['chan', '@/nowhere'], 1, "Error: can't read file /nowhere: No such file or directory (os error 2)\n"],
    [['chan'], 1, 'Error: must specify content\n'],
    [
      ['--nope'],
      2,
      "error: unexpected argument '--nope' found\n\nUsage: tackboard-publish [OPTIONS] <channel> [content]\n\nFor more information, try '--help'.\n",
    ],
  ])('%j', async (args, code, err) => {
    expect(await run(args)).toEqual({ code, out: '', err })
  })

  test.each([
    ['an answer cut off', 'HTTP/1.1 200 OK\r\nA: b\r\n', 'unexpected end of file'],
    ['no answer', '', 'unexpected end of file'],
    ['no HTTP', 'hello there\r\n\r\n', 'invalid data'],
  ])('%s', async (_, answer, err) => {
    const { port } = await serve(answer)
    expect(await run([`--spec=http://127.0.0.1:${port}`, 'chan', 'hi'])).toMatchObject({
      code: 1,
      err: `Error: ${err}\n`,
    })
  })
})

test('--version and --help', async () => {
  expect(await run(['-V'])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^tackboard-publish \d+\.\d+\.\d+\n$/) as string,
  })
  expect(await run(['--help'])).toMatchObject({
    code: 0,
    out: expect.stringContaining('Usage: tackboard-publish') as string,
  })
})

test('what is published arrives, by HTTP and by ZeroMQ', async () => {
  const gateway = await startGateway({ routes: ['* test'] })
  cleanups.push(() => gateway.stop())
  const client = await StreamClient.open(gateway.ports.http, '/stream?channel=c')
  cleanups.push(() => client.destroy())
  expect(await run([`--spec=${gateway.controlUrl('')}`, 'c', 'by HTTP'])).toEqual(PUBLISHED)
  await client.waitForText('by HTTP\n')
  expect(await run([`--spec=tcp://127.0.0.1:${gateway.ports.pull}`, 'c', 'by ZeroMQ'])).toEqual(PUBLISHED)
  await client.waitForText('by ZeroMQ\n')
})
