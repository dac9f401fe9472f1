import { describe, expect, it } from 'vitest'
import { encodeTnetstring } from '../testing/publish.js'
import type { PublishItem } from '../wire/publish-types.js'
import { decodeZrpcRequest, type ZrpcReply, type ZrpcRequest } from '../wire/zrpc.js'
import { type CommandsOptions, performCommand } from './commands.js'

const published: PublishItem[] = []
const refreshed: string[] = []

function perform(method: string, args: unknown, options: Partial<CommandsOptions> = {}): Promise<ZrpcReply> {
  published.length = 0
  refreshed.length = 0
  const request = decodeZrpcRequest(encodeTnetstring({ id: '1', method, args })) as ZrpcRequest
  return performCommand(request, {
    uris: new Map([['command', 'tcp://127.0.0.1:5563']]),
    shards: {
      connected: (ids) => Promise.resolve(new Set(ids.filter((id) => id.startsWith('on')))),
      refreshConnection: (id) => Promise.resolve(id.startsWith('on')),
      refreshChannel: (channel) => {
        refreshed.push(channel)
        return Promise.resolve()
      },
    },
    publish: (items) => void published.push(...items),
    recover: () => undefined,
    ...options,
  })
}

const BAD_REQUEST = { success: false, condition: 'bad-request' }
const DONE = { success: true, value: null }
const late = (): Promise<never> => Promise.reject(new Error('late'))

describe('publish', () => {
  it('takes items in their tnetstring form', async () => {
    const bytes = Buffer.from([0xff, 0])
    const items = [{ channel: 'a', formats: { 'ws-message': { 'content-bin': bytes } } }]
    expect(await perform('publish', { items })).toEqual(DONE)
    expect(published).toMatchObject([{ channel: 'a', wsMessage: { content: bytes } }])
  })

  it('takes none when one of them is wrong', async () => {
    const items = [{ channel: 'a', formats: { 'ws-message': { content: 'x' } } }, { channel: 'a' }]
    const value = 'Invalid format: no formats specified'
    expect(await perform('publish', { items })).toEqual({ ...BAD_REQUEST, value })
    expect(published).toEqual([])
  })

  it('answers when there is room for more', async () => {
    let makeRoom = (): void => undefined
    const room = new Promise<void>((resolve) => (makeRoom = resolve))
    let isAnswered = false
    const answered = perform('publish', { items: [] }, { publish: () => room }).then(() => (isAnswered = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(isAnswered).toBe(false)
    makeRoom()
    await answered
  })

  it('names a meta that is not ASCII in UTF-8', async () => {
    const items = [{ channel: 'a', 'ws-message': { content: 'x' }, meta: { ü: 1 } }]
    const value = Buffer.from("Invalid format: 'meta' contains 'ü' with wrong type").toString('latin1')
    expect(await perform('publish', { items })).toEqual({ ...BAD_REQUEST, value })
  })
})

describe('conncheck', () => {
  it('answers with those that are connected, each once', async () => {
    const value = await perform('conncheck', { ids: ['on1', 'off', 'on2', 'on1'] })
    expect(value).toEqual({ success: true, value: ['on1', 'on2'] })
  })

  it('asks nobody about nothing', async () => {
    const shards = { connected: late, refreshConnection: late, refreshChannel: late }
    expect(await perform('conncheck', { ids: [] }, { shards })).toEqual({ success: true, value: [] })
  })

  it.each([[{}], [{ ids: 'on1' }], [{ ids: [1] }], [{ ids: null }]])('refuses %j', async (args) => {
    expect(await perform('conncheck', args)).toEqual(BAD_REQUEST)
  })

  it('fails when a shard does not answer', async () => {
    const shards = { connected: late, refreshConnection: late, refreshChannel: late }
    const reply = await perform('conncheck', { ids: ['on1'] }, { shards })
    expect(reply).toEqual({ success: false, condition: 'proxy-request-failed' })
  })
})

describe('refresh', () => {
  it('of a connection', async () => {
    expect(await perform('refresh', { cid: 'on1' })).toEqual(DONE)
    expect(await perform('refresh', { cid: 'off' })).toEqual({ success: false, condition: 'item-not-found' })
  })

  it('of a channel, whether anybody holds it or not', async () => {
    expect(await perform('refresh', { channel: 'c' })).toEqual(DONE)
    expect(refreshed).toEqual(['c'])
  })

  it('goes by the connection when both are named', async () => {
    expect(await perform('refresh', { cid: 'off', channel: 'c' })).toMatchObject({ condition: 'item-not-found' })
    expect(refreshed).toEqual([])
  })

  it.each([[{}], [{ cid: 1 }], [{ channel: 1 }], [{ cid: 1, channel: 'c' }]])('refuses %j', async (args) => {
    expect(await perform('refresh', args)).toEqual(BAD_REQUEST)
  })

  it('fails when a shard does not answer', async () => {
    const shards = { connected: late, refreshConnection: late, refreshChannel: late }
    expect(await perform('refresh', { cid: 'on1' }, { shards })).toEqual({ success: false, condition: 'timeout' })
  })
})

it('says where publishers and commanders connect', async () => {
  const value = new Map([['command', 'tcp://127.0.0.1:5563']])
  expect(await perform('get-zmq-uris', {})).toEqual({ success: true, value })
})

it('does not know other methods', async () => {
  expect(await perform('toString', {})).toEqual({ success: false, condition: 'method-not-found' })
})
