import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { afterEach, describe, expect, test } from 'vitest'
import { Dealer, Publisher, Reply } from 'zeromq'
import { ZHTTP_ROUTES_MAX, ZHTTP_WAITING_MAX } from '../base/limits.js'
import { type ZhttpToMain, type ZhttpToShard, postZhttp } from '../link/zhttp-link.js'
import { type ZhttpRoute, zhttpAddresses } from '../routing/zhttp-spec.js'
import { freePorts } from '../testing/free-ports.js'
import { Waiters, poll } from '../testing/wait.js'
import { ReqWorker, StreamWorker, type WorkerScript } from '../testing/zhttp-worker.js'
import { decodeZhttpResponse, encodeZhttpRequest, encodeZhttpResponse } from '../wire/zhttp.js'
import { ZhttpRelay } from './zhttp-relay.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function ipcSpec(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'zhttp-'))
  closing.push(() => rm(folder, { recursive: true, force: true }))
  return `ipc://${folder}/worker`
}

/** What one shard is told. */
class Shard {
  readonly messages: ZhttpToShard[] = []
  readonly #port: MessagePort
  readonly #waiters = new Waiters()

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message: ZhttpToShard) => {
      this.messages.push(message)
      this.#waiters.changed()
    })
  }

  send(message: ZhttpToMain): void {
    postZhttp(this.#port, message)
  }

  /** Sends the first packet of a session. */
  ask(target: string, id: string): void {
    this.send({ kind: 'send', target, to: null, id, packet: encodeZhttpRequest({ from: 'gw', ids: [{ id, seq: 0 }] }) })
  }

  until<T>(take: (messages: readonly ZhttpToShard[]) => T | undefined): Promise<T> {
    return this.#waiters.until(
      () => take(this.messages),
      () => `messages to a shard: ${JSON.stringify(this.messages)}`,
    )
  }

  /** Ids of the packets that have come, once there are `count`. */
  packets(count: number): Promise<string[]> {
    return this.until((messages) => {
      const ids = messages.flatMap((message) => {
        const packet = message.kind === 'packet' ? decodeZhttpResponse(Buffer.from(message.packet)) : null
        return packet !== null && 'ids' in packet ? [packet.ids.map(({ id }) => id).join('+')] : []
      })
      return ids.length >= count ? ids : undefined
    })
  }

  close(): void {
    this.#port.close()
  }
}

async function relayOf(routes: readonly ZhttpRoute[], shardCount = 2) {
  const logged: string[] = []
  const record = (message: unknown): void => {
    logged.push(String(message))
  }
  const log = { warn: record, error: record }
  const relay = await ZhttpRelay.open({ routes, instance: 'gw', shards: shardCount, log })
  const shards = relay.ports.map((port) => new Shard(port))
  closing.push(() => relay.close())
  return { relay, shards, shard: shards[0] as Shard, logged }
}

async function streamWorker(spec: string, script: WorkerScript, instance?: string): Promise<StreamWorker> {
  const worker = await StreamWorker.connect(zhttpAddresses(spec), script, instance === undefined ? {} : { instance })
  closing.push(() => worker.close())
  return worker
}

function reqWorker(spec: string, script: WorkerScript): ReqWorker {
  const worker = ReqWorker.connect(spec, script)
  closing.push(() => worker.close())
  return worker
}

/** Asks until a worker is there: what makes it known to the gateway's socket announces nothing. */
async function reached(shard: Shard, target: string): Promise<void> {
  let count = 0
  await poll(
    async () => {
      const id = `0-probe-${count++}`
      shard.ask(target, id)
      const answer = await shard.until((messages) =>
        messages.find(
          (message) =>
            (message.kind === 'unsent' && message.id === id) ||
            (message.kind === 'packet' && Buffer.from(message.packet).includes(id)),
        ),
      )
      return answer.kind === 'packet' ? true : undefined
    },
    () => 'a worker is reached',
  )
  shard.messages.length = 0
}

describe('zhttp', () => {
  test('first packets go to a worker, others to the one that is named, answers to their shards', async () => {
    const spec = await ipcSpec()
    const target = `zhttp/${spec}`
    const { relay, shard, shards } = await relayOf([{ kind: 'zhttp', spec, ipcFileMode: null }])
    const worker = await streamWorker(spec, (session) => session.answer(200, [], ''))
    await reached(shard, target)
    const other = await streamWorker(spec, () => {}, 'other')

    const packet = encodeZhttpRequest({ from: 'gw', ids: [{ id: '1-x', seq: 1 }] })
    // The gateway's ROUTER learns of it in its own time, and until then has no way to it.
    await poll(
      async () => {
        shards[1]?.send({ kind: 'send', target, to: 'other', id: '1-x', packet })
        await new Promise((resolve) => setTimeout(resolve, 15))
        return other.sessions.length > 0 ? true : undefined
      },
      () => 'the named worker is reached',
    )
    expect((await other.session()).first.ids).toEqual([{ id: '1-x', seq: 1 }])

    const ids = ['0-a', '1-b', '0-c'].map((id) => ({ id, seq: 0 }))
    await worker.sendTo('gw', encodeZhttpResponse({ from: 'worker', ids }))
    expect(await shard.packets(1)).toEqual(['0-a+1-b+0-c'])
    expect(await shards[1]?.packets(1)).toEqual(['0-a+1-b+0-c'])
    expect(relay.counts).toMatchObject({ bad: 0, unknown: 0 })
  })

  test('a worker may answer over the ROUTER', async () => {
    const spec = await ipcSpec()
    const { shard } = await relayOf([{ kind: 'zhttp', spec, ipcFileMode: null }])
    const worker = await StreamWorker.connect(zhttpAddresses(spec), (session) => session.answer(200, [], ''), {
      viaRouter: true,
    })
    closing.push(() => worker.close())
    await reached(shard, `zhttp/${spec}`)
  })

  test('without a worker a first packet comes back, and a later one is counted', async () => {
    const spec = await ipcSpec()
    const target = `zhttp/${spec}`
    const { relay, shard, shards } = await relayOf([{ kind: 'zhttp', spec, ipcFileMode: null }])
    shards[1]?.ask(target, '1-a')
    expect(await shards[1]?.until(([first]) => first)).toEqual({ kind: 'unsent', id: '1-a' })
    shard.send({ kind: 'send', target, to: 'nobody', id: '0-b', packet: Buffer.from('x') })
    shard.ask(target, '0-c')
    expect(await shard.until(([first]) => first)).toEqual({ kind: 'unsent', id: '0-c' })
    expect(relay.counts).toMatchObject({ unsent: 2, unroutable: 1, packetsOut: 3 })
  })

  test('bad messages are dropped with a warning that names socket and reason', async () => {
    const spec = await ipcSpec()
    const { relay, shard, logged } = await relayOf([{ kind: 'zhttp', spec, ipcFileMode: null }])
    const worker = await streamWorker(spec, (session) => session.answer(200, [], ''))
    await reached(shard, `zhttp/${spec}`)
    await worker.sendTo('gw', Buffer.from('nonsense'))
    await worker.sendTo('gw', Buffer.from('T5:x'))
    await worker.sendTo('gw', encodeZhttpResponse({}), Buffer.from('more'))
    await worker.sendTo('gw', encodeZhttpResponse({ from: 'worker' }))
    await worker.sendTo('gw', encodeZhttpResponse({ ids: [{ id: '0-good', seq: 0 }] }))
    expect(await shard.packets(1)).toEqual(['0-good'])
    await worker.sendRouted([Buffer.from('gw'), Buffer.from('two')])
    await worker.sendRouted([Buffer.from('gw'), Buffer.alloc(0), encodeZhttpResponse({ ids: [{ id: '0-b', seq: 0 }] })])
    expect(await shard.packets(2)).toEqual(['0-good', '0-b'])
    expect(relay.counts).toMatchObject({ bad: 5, unknown: 0 })
    expect(logged[0]).toBe(`zhttp ${spec}: in: a message of a worker does not begin with T, skipping`)
  })

  test('answers to nobody are counted', async () => {
    const spec = await ipcSpec()
    const { relay, shard } = await relayOf([{ kind: 'zhttp', spec, ipcFileMode: null }])
    const worker = await streamWorker(spec, (session) => session.answer(200, [], ''))
    await reached(shard, `zhttp/${spec}`)
    for (const id of ['2-x', 'x', '', '99999-x'])
      await worker.sendTo('gw', encodeZhttpResponse({ ids: [{ id, seq: 0 }] }))
    await worker.sendTo('other-gateway', encodeZhttpResponse({ ids: [{ id: '0-x', seq: 0 }] }))
    await worker.sendTo('gw', encodeZhttpResponse({ ids: [{ id: '0-last', seq: 0 }] }))
    expect(await shard.packets(1)).toEqual(['0-last'])
    expect(relay.counts).toMatchObject({ bad: 0, unknown: 4 })
  })
})

describe('zhttpreq', () => {
  const route = (spec: string): ZhttpRoute => ({ kind: 'zhttpreq', spec, ipcFileMode: null })

  test('requests wait for a worker, in order; those withdrawn do not come', async () => {
    const spec = await ipcSpec()
    const target = `zhttpreq/${spec}`
    const { shard } = await relayOf([route(spec)])
    for (const id of ['0-a', '0-b', '0-c']) shard.ask(target, id)
    shard.send({ kind: 'withdraw', target, id: '0-b' })
    shard.send({ kind: 'withdraw', target, id: '0-unknown' })
    // Behind it all, so it has been dealt with when a worker comes.
    shard.ask('zhttp/unknown', '0-d')
    await shard.until((messages) => messages.find(({ kind }) => kind === 'unsent'))
    const worker = reqWorker(spec, (session) => session.answer(200, [], ''))
    expect((await shard.packets(2)).sort()).toEqual(['0-a', '0-c'])
    expect(worker.sessions.map(({ id }) => id)).toEqual(['0-a', '0-c'])
  })

  test('a REP socket is a worker', async () => {
    const spec = await ipcSpec()
    const { shard } = await relayOf([route(spec)])
    const rep = new Reply({ linger: 0 })
    closing.push(() => rep.close())
    rep.connect(spec)
    shard.ask(`zhttpreq/${spec}`, '0-a')
    await rep.receive()
    await rep.send(encodeZhttpResponse({ ids: [{ id: '0-a', seq: null }] }))
    expect(await shard.packets(1)).toEqual(['0-a'])
  })

  test('more requests than may wait come back', async () => {
    const spec = await ipcSpec()
    const { relay, shard } = await relayOf([route(spec)])
    for (let count = 0; count <= ZHTTP_WAITING_MAX; count++) shard.ask(`zhttpreq/${spec}`, `0-${count}`)
    expect(await shard.until(([first]) => first)).toEqual({ kind: 'unsent', id: `0-${ZHTTP_WAITING_MAX}` })
    expect(relay.counts.unsent).toBe(1)
  })

  test('bad messages are dropped with a warning', async () => {
    const spec = await ipcSpec()
    const { relay, shard, logged } = await relayOf([route(spec)])
    reqWorker(spec, async (session) => {
      await session.sendRaw(Buffer.from('nonsense'))
      await session.sendRaw(Buffer.from('a'), Buffer.from('b'))
      await session.answer(200, [], '')
    })
    shard.ask(`zhttpreq/${spec}`, '0-a')
    expect(await shard.packets(1)).toEqual(['0-a'])
    expect(relay.counts.bad).toBe(2)
    expect(logged[0]).toBe(`zhttpreq ${spec}: a message of a worker does not begin with T, skipping`)
  })
})

describe('binding', () => {
  test('ipc_file_mode holds for each file', async () => {
    const [stream, req] = [await ipcSpec(), await ipcSpec()]
    await relayOf([
      { kind: 'zhttp', spec: stream, ipcFileMode: 0o600 },
      { kind: 'zhttpreq', spec: req, ipcFileMode: 0o770 },
    ])
    const modes: string[] = []
    for (const name of [`${stream}-out`, `${stream}-out-stream`, `${stream}-in`, req]) {
      modes.push(((await stat(name.slice('ipc://'.length))).mode & 0o777).toString(8))
    }
    expect(modes).toEqual(['600', '600', '600', '770'])
  })

  test('an address that is taken is said; requests there fail at once, others work', async () => {
    const [port] = (await freePorts(1)) as [number]
    const taken = new Publisher({ linger: 0 })
    closing.push(() => taken.close())
    const spec = `tcp://127.0.0.1:${port}`
    await taken.bind(spec)
    const { shard, logged } = await relayOf([
      { kind: 'zhttpreq', spec, ipcFileMode: null },
      { kind: 'zhttp', spec, ipcFileMode: null },
    ])
    expect(logged).toEqual([
      expect.stringMatching(`^route target zhttpreq/${spec}: cannot bind ${spec}: .*EADDRINUSE`),
      expect.stringMatching(`^route target zhttp/${spec}: cannot bind ${spec}: .*EADDRINUSE`),
    ])
    shard.ask(`zhttpreq/${spec}`, '0-a')
    shard.ask(`zhttp/${spec}`, '0-b')
    expect(await shard.until((messages) => (messages.length === 2 ? messages : undefined))).toEqual([
      { kind: 'unsent', id: '0-a' },
      { kind: 'unsent', id: '0-b' },
    ])
  })

  test('the address is free again after close()', async () => {
    const [port] = (await freePorts(1)) as [number]
    const spec = `tcp://127.0.0.1:${port}`
    const { relay } = await relayOf([{ kind: 'zhttpreq', spec, ipcFileMode: null }])
    await relay.close()
    // libzmq gives an address back in a thread of its own.
    const socket = await poll(
      async () => {
        const candidate = new Dealer({ linger: 0 })
        closing.push(() => candidate.close())
        return candidate.bind(spec).then(
          () => candidate,
          () => undefined,
        )
      },
      () => `${spec} is free`,
    )
    expect(socket.lastEndpoint).toBe(spec)
  })

  test('targets that come later are bound, those that are there stay', async () => {
    const [first, second] = [await ipcSpec(), await ipcSpec()]
    const route = (spec: string): ZhttpRoute => ({ kind: 'zhttpreq', spec, ipcFileMode: null })
    const { relay, shard, logged } = await relayOf([route(first)])
    await relay.update([route(second), route(second)])
    for (const [index, spec] of [first, second].entries()) {
      reqWorker(spec, (session) => session.answer(200, [], ''))
      shard.ask(`zhttpreq/${spec}`, `0-${index}`)
    }
    expect((await shard.packets(2)).sort()).toEqual(['0-0', '0-1'])
    expect(logged).toEqual([])
  })

  test('more targets than allowed', async () => {
    const spec = await ipcSpec()
    const routes = Array.from({ length: ZHTTP_ROUTES_MAX + 1 }, (_, index) => ({
      kind: 'zhttpreq' as const,
      spec: `${spec}${index}`,
      ipcFileMode: null,
    }))
    const { shard, logged } = await relayOf(routes)
    expect(logged).toEqual(['too many unique zhttp route targets, limiting to 100'])
    shard.ask(`zhttpreq/${spec}${ZHTTP_ROUTES_MAX}`, '0-a')
    expect(await shard.until(([first]) => first)).toEqual({ kind: 'unsent', id: '0-a' })
  })
})

test('what shards say last still goes out', async () => {
  const spec = await ipcSpec()
  const target = `zhttp/${spec}`
  const { relay, shard, shards } = await relayOf([{ kind: 'zhttp', spec, ipcFileMode: null }])
  const worker = await streamWorker(spec, (session) => session.answer(200, [], ''))
  await reached(shard, target)
  for (let count = 0; count < 200; count++) {
    const packet = encodeZhttpRequest({ from: 'gw', ids: [{ id: `0-last-${count}`, seq: 1 }] })
    shard.send({ kind: 'send', target, to: 'worker', id: `0-last-${count}`, packet })
  }
  for (const one of shards) one.close()
  await relay.close()
  await worker.session(200, ({ id }) => id.startsWith('0-last-'))
})
