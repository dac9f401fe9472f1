import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Request } from 'zeromq'
import { COMMANDS_PENDING_MAX } from '../base/limits.js'
import { Commander, plainOfTnetstring } from '../testing/commander.js'
import { encodeTnetstring } from '../testing/publish.js'
import { withDeadline } from '../testing/wait.js'
import type { ZrpcReply, ZrpcRequest } from '../wire/zrpc.js'
import { type CommandSocket, type CommandSocketOptions, openCommandSocket } from './command-socket.js'

const EMPTY = Buffer.alloc(0)
const DONE: ZrpcReply = { success: true, value: null }

let server: CommandSocket | undefined
let commanders: Commander[] = []
let warnings: string[] = []
let errors: string[] = []
let asked: ZrpcRequest[] = []

afterEach(async () => {
  for (const commander of commanders) commander.close()
  await server?.close()
  server = undefined
  commanders = []
  warnings = []
  errors = []
  asked = []
})

async function open(options: Partial<CommandSocketOptions> = {}): Promise<CommandSocket> {
  server = await openCommandSocket({
    spec: 'tcp://127.0.0.1:*',
    ipcFileMode: null,
    log: {
      debug: () => undefined,
      warn: (text: unknown) => void warnings.push(String(text)),
      error: (_: unknown, text?: string) => void errors.push(String(text)),
    },
    perform: (request) => {
      asked.push(request)
      return Promise.resolve(DONE)
    },
    ...options,
  })
  return server
}

function commander(): Commander {
  const made = Commander.connect((server as CommandSocket).endpoint)
  commanders.push(made)
  return made
}

const request = (fields: Readonly<Record<string, unknown>>): Buffer => encodeTnetstring(fields)

describe('peers', () => {
  it('a REQ is answered', async () => {
    const { endpoint } = await open()
    const socket = new Request({ linger: 0 })
    socket.connect(endpoint)
    await socket.send(request({ id: '1', method: 'recover', args: {} }))
    const [reply] = await withDeadline(socket.receive(), () => 'a reply')
    socket.close()
    expect(plainOfTnetstring(reply as Buffer)).toEqual({ id: '1', success: true, value: null })
    expect(asked).toMatchObject([{ method: 'recover' }])
  })

  it('what stands in front of the empty part comes back', async () => {
    await open()
    const way = [Buffer.from('one'), Buffer.from('two')]
    const parts = await commander().exchange(...way, EMPTY, request({ method: 'recover' }))
    expect(parts.slice(0, 3)).toEqual([...way, EMPTY])
  })

  it('each gets its own reply, and in the order of the answers', async () => {
    const waiting = new Map<string, (reply: ZrpcReply) => void>()
    await open({ perform: ({ method }) => new Promise((resolve) => waiting.set(method, resolve)) })
    const [first, second] = [commander(), commander()]
    const slow = first.call('slow')
    const fast = second.call('fast')
    while (waiting.size < 2) await new Promise((resolve) => setImmediate(resolve))
    waiting.get('fast')?.({ success: true, value: 'fast' })
    expect(await fast).toMatchObject({ value: 'fast' })
    waiting.get('slow')?.({ success: true, value: 'slow' })
    expect(await slow).toMatchObject({ value: 'slow' })
  })

  it('one that leaves before its reply harms nobody', async () => {
    let answer = (): void => undefined
    await open({
      perform: ({ method }) =>
        method === 'slow' ? new Promise((resolve) => (answer = () => resolve(DONE))) : Promise.resolve(DONE),
    })
    const leaver = commander()
    await leaver.socket.send([EMPTY, request({ method: 'slow' })])
    const other = commander()
    await other.call('recover')
    leaver.close()
    answer()
    expect(await other.call('recover')).toMatchObject({ success: true })
    expect(errors).toEqual([])
  })
})

describe('requests that cannot be read are answered, and the next one, too', () => {
  it.each([
    ['text', [EMPTY, Buffer.from('hello')], 'Invalid format: request is not a tnetstring (length at byte 0)'],
    ['nothing', [EMPTY, EMPTY], 'Invalid format: request is not a tnetstring (truncated at byte 0)'],
    ['no method', [EMPTY, request({ id: '1' })], "Invalid format: request does not contain 'method'"],
    [
      'two parts of content',
      [EMPTY, request({ method: 'recover' }), Buffer.from('x')],
      'Invalid format: request is not an empty part and one part of content',
    ],
  ])('%s', async (_, parts, value) => {
    await open()
    const client = commander()
    const reply = await client.exchange(...parts)
    expect(plainOfTnetstring(reply[1] as Buffer)).toMatchObject({ success: false, condition: 'bad-request', value })
    expect(await client.call('recover')).toEqual({ id: 'one', success: true, value: null })
    expect(warnings).toEqual([`command: ${value}, answering bad-request`])
  })

  it('without an empty part', async () => {
    await open()
    const reply = await commander().exchange(request({ method: 'recover' }))
    expect(plainOfTnetstring(reply[0] as Buffer)).toMatchObject({ condition: 'bad-request' })
  })

  it('in JSON when it was meant to be JSON', async () => {
    await open()
    const client = commander()
    const reply = await client.exchange(EMPTY, Buffer.from('{"method":'))
    expect(JSON.parse((reply[1] as Buffer).toString())).toEqual({
      success: false,
      value: 'Invalid format: request is not valid JSON',
      condition: 'bad-request',
    })
    const good = await client.exchange(EMPTY, Buffer.from('J{"id":"1","method":"recover"}'))
    expect((good[1] as Buffer).toString()).toBe('J{"id":"1","success":true,"value":null}')
  })
})

it('a command that fails is answered', async () => {
  await open({ perform: () => Promise.reject(new Error('mine')) })
  expect(await commander().call('recover')).toMatchObject({ success: false, condition: 'internal-error' })
  expect(errors).toEqual(['command failed'])
})

it('above the limit of pending requests no further one is begun', async () => {
  const waiting: ((reply: ZrpcReply) => void)[] = []
  let most = 0
  await open({
    perform: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        most = Math.max(most, waiting.length)
      }),
  })
  const client = commander()
  const total = COMMANDS_PENDING_MAX + 20
  for (let n = 0; n < total; n++) await client.socket.send([EMPTY, request({ method: 'x' })])
  for (let replies = 0; replies < total; replies++) {
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
    waiting.shift()?.(DONE)
    await withDeadline(client.socket.receive(), () => `reply ${replies}`)
  }
  expect(most).toBeLessThanOrEqual(COMMANDS_PENDING_MAX)
})

describe('binding', () => {
  it('a port that is taken is named with its setting', async () => {
    const stranger = createServer().listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    const { port } = stranger.address() as { port: number }
    const spec = `tcp://127.0.0.1:${port}`
    await expect(open({ spec })).rejects.toThrow(
      `command_spec: cannot bind ${spec}: Address already in use (EADDRINUSE)`,
    )
    stranger.close()
  })

  it('the folder of an ipc file is made, and its mode set', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'command-'))
    try {
      const path = join(folder, 'run/deep/commands')
      await open({ spec: `ipc://${path}`, ipcFileMode: 0o600 })
      expect(statSync(path).mode & 0o777).toBe(0o600)
      expect(await commander().call('recover')).toMatchObject({ success: true })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
