/**
 * No race: what is published when a client has seen the first byte of its hold, its 101, or what a backend said behind
 * a `subscribe`, reaches it. Always: thousands of times, each with a channel nobody had before, several at a time, on
 * both shards.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { KeepAlivePublisher } from '../keep-alive-publisher.js'
import { PubPublisher, PushPublisher, responseItem, streamItem, wsItem } from '../publish.js'
import type { Item } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import type { BackendCall } from '../scripted-backend.js'
import { byShard } from '../shards.js'
import { StreamClient } from '../stream-client.js'
import { Waiters } from '../wait.js'
import { answerEvents, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX, subscribeEvent } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const PARALLEL = 16
const CONF = {
  'runner.log_level': '1',
  'handler.connection_subscription_max': '10000',
  'handler.subscription_linger': '0',
}

let gateway: Gateway
let backend: ScriptedBackend
let http: KeepAlivePublisher
let push: PushPublisher

beforeAll(async () => {
  backend = await ScriptedBackend.start(answer)
  gateway = await startGateway({ routes: [`* ${backend.target},over_http`], conf: CONF })
  http = new KeepAlivePublisher(gateway.controlUrl('/publish/'))
  push = PushPublisher.connect(gateway.ports.pull)
})

afterAll(async () => {
  http.close()
  push.close()
  await gateway.stop()
  await backend.stop()
})

/**
 * Holds on the channels of `?channel=` (and `?many=N:PREFIX`). A WebSocket may say `join CHANNEL`, and is told so in the
 * same answer.
 */
function answer(call: BackendCall): void {
  backend.calls.length = 0 // thousands of them are not needed
  const { pathname, searchParams } = new URL(call.url, 'http://backend')
  const channels = searchParams.getAll('channel')
  const many = searchParams.get('many')?.split(':')
  if (many !== undefined) for (let n = 0; n < Number(many[0]); n += 1) channels.push(`${many[1]}-${n}`)
  if (pathname === '/ws') return answerWebSocket(call, channels)
  const hold = pathname === '/poll' ? 'response' : 'stream'
  call.answer(200, { 'Grip-Hold': hold, 'Grip-Channel': channels.join(', ') }, `${hold}\n`)
}

function answerWebSocket(call: BackendCall, channels: readonly string[]): void {
  const answers: Buffer[] = []
  for (const { type, content } of decodeEvents(call.body)) {
    const [word, channel = ''] = content?.toString().split(' ') ?? []
    if (type === 'OPEN') answers.push(encodeEvent('OPEN'), ...channels.map(subscribeEvent))
    else if (word === 'join') answers.push(subscribeEvent(channel), encodeEvent('TEXT', `joined ${channel}`))
    else if (type === 'CLOSE') answers.push(encodeEvent('CLOSE', content ?? undefined))
  }
  answerEvents(call, answers, call.body.includes('OPEN') ? GRIP_WITHOUT_PREFIX : {})
}

/** `work(0)` … `work(count - 1)`, some at a time. The first that fails, fails. */
async function repeat(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
}

/** By HTTP and PUSH in turn. Started in this very turn. */
function publish(n: number, item: Item): Promise<void> {
  return n % 2 === 0 ? http.publish(item) : push.publish(item)
}

async function expectBothShardsServed(metric: string, before: readonly number[]): Promise<void> {
  const after = byShard(await gateway.metrics(), metric)
  for (const [shard, value] of after.entries()) expect(value - (before[shard] ?? 0)).toBeGreaterThan(100)
}

describe('a publish at the first byte', () => {
  test('of a stream arrives, 4,000 times', async () => {
    const before = byShard(await gateway.metrics(), 'tackboard_barriers_total')
    await repeat(4_000, async (n) => {
      const published: Promise<void>[] = []
      const client = StreamClient.send(gateway.ports.http, `/stream?channel=first-${n}`, {
        onFirstByte: () => published.push(publish(n, streamItem(`first-${n}`, `item ${n}\n`))),
      })
      await client.waitForText(`item ${n}\n`)
      expect(client.text).toBe(`stream\nitem ${n}\n`)
      await Promise.all(published)
      client.destroy()
    })
    await expectBothShardsServed('tackboard_barriers_total', before)
  })

  test('of a 101 arrives, 3,000 times', async () => {
    const before = byShard(await gateway.metrics(), 'tackboard_barriers_total')
    await repeat(3_000, async (n) => {
      const client = await WsClient.connect(gateway.wsUrl(`/ws?channel=opened-${n}`))
      const published = publish(n, wsItem(`opened-${n}`, `item ${n}`))
      expect(await client.waitFor(1)).toEqual([`item ${n}`])
      await published
      client.terminate()
    })
    await expectBothShardsServed('tackboard_barriers_total', before)
  })

  test('of a stream on a channel whose last holder leaves at the same moment arrives, 2,000 times', async () => {
    await repeat(2_000, async (n) => {
      // The same 16 channels again and again: unsubscribe and subscribe cross each other.
      const channel = `crossing-${n % PARALLEL}`
      const published: Promise<void>[] = []
      const client = StreamClient.send(gateway.ports.http, `/stream?channel=${channel}`, {
        onFirstByte: () => published.push(publish(n, streamItem(channel, `item ${n}\n`))),
      })
      await client.waitForText(`item ${n}\n`)
      client.destroy()
      await Promise.all(published)
    })
  })
})

describe('a publish at what a backend said behind a subscribe', () => {
  test('arrives on one WebSocket that joins one channel after the other, 3,000 times', async () => {
    await repeat(PARALLEL, async (at) => {
      const client = await WsClient.connect(gateway.wsUrl('/ws'))
      for (let n = 0; n < 200; n += 1) {
        const channel = `join-${at}-${n}`
        client.send(`join ${channel}`)
        await client.waitForText(`joined ${channel}`)
        const published = publish(n, wsItem(channel, `item ${n}`))
        await client.waitForText(`item ${n}`)
        await published
      }
      client.terminate()
    })
  })
})

describe('long polls', () => {
  // A client cannot see that its hold is live; the gauge counts it when it is.
  test('that the metrics show are answered by a publish, 2,000 of them', async () => {
    for (let round = 0; round < 10; round += 1) {
      const channels = Array.from({ length: 200 }, (_, n) => `poll-${round}-${n}`)
      const clients = channels.map((channel) => StreamClient.send(gateway.ports.http, `/poll?channel=${channel}`))
      await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === channels.length)
      await Promise.all(channels.map((channel, n) => publish(n, responseItem(channel, `item ${channel}\n`))))
      for (const [n, client] of clients.entries()) {
        expect(await client.waitForEnd()).toBe(`item ${channels[n]}\n`)
        client.destroy()
      }
      await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 0)
    }
  })
})

describe('10,000 channels', () => {
  const COUNT = 10_000
  const settled = (from: Gateway): Promise<unknown> =>
    from.metricsWhere(
      (metrics) => metrics.value('tackboard_channels') === 0 && metrics.value('tackboard_subscribed_channels') === 0,
    )

  /** Every item once: which have come. */
  function collect(client: WsClient): { readonly seen: Set<string>; all(): Promise<unknown> } {
    const seen = new Set<string>()
    const waiters = new Waiters()
    client.socket.on('message', (data: Buffer) => {
      seen.add(data.toString())
      waiters.changed()
    })
    return {
      seen,
      all: () =>
        waiters.until(
          () => seen.size >= COUNT || undefined,
          () => `${COUNT} messages; there are ${seen.size}`,
        ),
    }
  }

  async function publishToAll(prefix: string): Promise<void> {
    for (let n = 0; n < COUNT; n += 100) {
      const items = Array.from({ length: 100 }, (_, m) => wsItem(`${prefix}-${n + m}`, String(n + m)))
      await http.publish(...items)
    }
  }

  test('opened in one turn by one answer: all are live at the 101, and all go with the client', async () => {
    await settled(gateway)
    const publisher = PubPublisher.connect(gateway.ports.sub)
    const client = await WsClient.connect(gateway.wsUrl(`/ws?many=${COUNT}:turn`))
    const metrics = await gateway.metrics()
    expect(metrics.value('tackboard_channels')).toBe(COUNT)
    const collected = collect(client)
    await publishToAll('turn')
    await collected.all()
    await Promise.all(Array.from({ length: COUNT }, (_, n) => publisher.subscribedTo(`turn-${n}`)))
    client.terminate()
    await settled(gateway)
    await Promise.all(Array.from({ length: COUNT }, (_, n) => publisher.unsubscribedFrom(`turn-${n}`)))
    expect(publisher.subscribed.size).toBe(0)
    publisher.close()
  })

  test('of 500 streams with 20 each, opened together: a publish to each arrives; all go with the clients', async () => {
    const publisher = PubPublisher.connect(gateway.ports.sub)
    const clients = Array.from({ length: 500 }, (_, n) =>
      StreamClient.send(gateway.ports.http, `/stream?many=20:stream-${n}`),
    )
    await Promise.all(clients.map((client) => client.headArrived()))
    expect(byShard(await gateway.metrics(), 'tackboard_channels').every((channels) => channels > 2_000)).toBe(true)
    for (let n = 0; n < clients.length; n += 10) {
      const items = Array.from({ length: 200 }, (_, m) => {
        const at = n + Math.floor(m / 20)
        return streamItem(`stream-${at}-${m % 20}`, `${m % 20} `)
      })
      await http.publish(...items)
    }
    const wanted = Array.from({ length: 20 }, (_, n) => n)
    await Promise.all(
      clients.map(async (client) => {
        const numbers = (): number[] => [...client.text.matchAll(/(\d+) /g)].map((match) => Number(match[1]))
        await client.waitUntil(() => numbers().length >= 20)
        expect(numbers().sort((a, b) => a - b)).toEqual(wanted)
      }),
    )
    await Promise.all(clients.map((_client, n) => publisher.subscribedTo(`stream-${n}-19`)))
    for (const client of clients) client.destroy()
    await settled(gateway)
    await Promise.all(clients.map((_client, n) => publisher.unsubscribedFrom(`stream-${n}-19`)))
    publisher.close()
  })

  test('reach and leave a publisher that the shards connect to', async () => {
    const { publisher, spec } = await PubPublisher.bind()
    const conf = { ...CONF, 'handler.push_in_sub_connect': 'true', 'handler.push_in_sub_specs': spec }
    const direct = await startGateway({ routes: [`* ${backend.target},over_http`], conf })
    const client = await WsClient.connect(direct.wsUrl(`/ws?many=${COUNT}:direct`))
    await Promise.all(Array.from({ length: COUNT }, (_, n) => publisher.subscribedTo(`direct-${n}`)))
    const collected = collect(client)
    for (let n = 0; n < COUNT; n += 1) await publisher.publish(wsItem(`direct-${n}`, String(n)))
    await collected.all()
    client.terminate()
    await settled(direct)
    await Promise.all(Array.from({ length: COUNT }, (_, n) => publisher.unsubscribedFrom(`direct-${n}`)))
    publisher.close()
    await direct.stop()
  })
})

test('every barrier was answered, none given up', async () => {
  const metrics = await gateway.metrics()
  expect(metrics.value('tackboard_barriers_failed_total')).toBe(0)
  expect(metrics.value('tackboard_callback_errors_total')).toBe(0)
})
