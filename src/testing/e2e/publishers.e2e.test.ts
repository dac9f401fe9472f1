/** Every door a publish can come in by, with the tools publishers have, over two shards. */
import http from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { hasCommand, runCommand } from '../command.js'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { encodeItem, encodeTnetstring, PubPublisher, publishHttp, PushPublisher, streamItem } from '../publish.js'
import type { Item, ItemEncoding } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { onePerShard, withoutClients } from '../shards.js'
import { StreamClient } from '../stream-client.js'
import { poll } from '../wait.js'
import { WsClient } from '../ws-client.js'

const PYTHON = '/usr/bin/python3'
const hasPython = hasCommand('Python publisher', PYTHON, '-c', 'import zmq')
/** A command line of the real pushpin-publish, for example `chroot /some/where pushpin-publish`. */
const PUSHPIN_PUBLISH = (process.env['PUSHPIN_PUBLISH'] ?? 'pushpin-publish').split(' ')
const [pushpinProgram = '', ...pushpinArgs] = PUSHPIN_PUBLISH
const hasPushpinPublish = hasCommand(
  'real pushpin-publish (PUSHPIN_PUBLISH)',
  pushpinProgram,
  ...pushpinArgs,
  '--version',
)

let gateway: Gateway
const cleanups: (() => unknown)[] = []

beforeAll(async () => {
  gateway = await startGateway({ routes: ['* test'], conf: { 'handler.id_cache_ttl': '60' } })
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await withoutClients(gateway)
})

afterAll(async () => {
  await gateway.stop()
})

async function openStream(channel: string, from = gateway): Promise<StreamClient> {
  const client = await StreamClient.open(from.ports.http, `/stream?channel=${channel}`)
  cleanups.push(() => client.destroy())
  return client
}

function push(): PushPublisher {
  const publisher = PushPublisher.connect(gateway.ports.pull)
  cleanups.push(() => publisher.close())
  return publisher
}

const bodyOf = (item: Item): string => JSON.stringify({ items: [item] })

describe('HTTP', () => {
  test('curl over HTTP/1.1 and HTTP/1.0', async () => {
    const client = await openStream('http-curl')
    const url = gateway.controlUrl('/publish/')
    expect(await runCommand('curl', '-sS', '-d', bodyOf(streamItem('http-curl', 'one ')), url)).toBe('Published\n')
    const again = await runCommand('curl', '-sS', '--http1.0', '-i', '-d', bodyOf(streamItem('http-curl', 'two ')), url)
    expect(again).toMatch(/^HTTP\/1\.0 200 OK\r\n/)
    await client.waitForText('one two ')
  })

  test('HTTP/1.0 by hand, as pushpin-publish does it: answered in HTTP/1.0 and closed', async () => {
    const client = await openStream('http-raw')
    const body = bodyOf(streamItem('http-raw', 'raw'))
    const publisher = await RawClient.connect(gateway.ports.control)
    await publisher.send(`POST /publish/ HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    expect((await publisher.readToEnd()).toString()).toMatch(/^HTTP\/1\.0 200 OK\r\n[^]*\r\n\r\nPublished\n$/)
    await client.waitForText('raw')
  })

  test("node's client with an agent keeps one connection for many publishes", async () => {
    const client = await openStream('http-node')
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    cleanups.push(() => agent.destroy())
    const localPorts = new Set<number | undefined>()
    for (let n = 0; n < 100; n += 1) {
      await new Promise<void>((resolve, reject) => {
        const request = http.request(gateway.controlUrl('/publish/'), { agent, method: 'POST' }, (response) => {
          localPorts.add(request.socket?.localPort)
          response.resume()
          response.once('end', resolve)
        })
        request.once('error', reject)
        request.end(bodyOf(streamItem('http-node', `${n} `)))
      })
    }
    await client.waitForText(' 99 ')
    expect(client.text).toBe(`[stream opened]\n${Array.from({ length: 100 }, (_, n) => `${n} `).join('')}`)
    expect(localPorts.size).toBe(1)
  })

  test('binary content in base64, several formats in one item', async () => {
    const stream = await openStream('http-formats')
    const socket = await WsClient.connect(gateway.wsUrl('/ws?channel=http-formats'))
    cleanups.push(() => socket.terminate())
    const bytes = Buffer.from([0, 1, 254, 255, 13, 10])
    const formats = {
      'http-stream': { 'content-bin': bytes.toString('base64') },
      'ws-message': { 'content-bin': bytes.toString('base64') },
    }
    await publishHttp(gateway.controlUrl('/publish/'), { channel: 'http-formats', formats })
    await socket.waitFor(1)
    expect(socket.messages[0]).toEqual({ data: bytes, isBinary: true })
    await stream.waitForText(bytes.toString('latin1'))
  })
})

describe('ZeroMQ PUSH', () => {
  test.each<[string, (item: Item) => Buffer]>([
    ['JSON', (item) => encodeItem(item, 'json')],
    ['a tnetstring', (item) => encodeItem(item, 'tnetstring')],
    ['a bare tnetstring', (item) => encodeTnetstring(item)],
  ])('%s reaches a stream and a WebSocket on each shard', async (name, encode) => {
    const channel = `push-${name.replaceAll(' ', '-')}`
    const streams = await onePerShard(
      gateway,
      'tackboard_stream_holds',
      () => openStream(channel),
      (client) => client.destroy(),
    )
    const sockets = await onePerShard(
      gateway,
      'tackboard_ws_connections',
      async () => {
        const socket = await WsClient.connect(gateway.wsUrl(`/ws?channel=${channel}`))
        cleanups.push(() => socket.terminate())
        return socket
      },
      (socket) => socket.terminate(),
    )
    const item = { channel, formats: { 'http-stream': { content: 'grüße' }, 'ws-message': { content: 'grüße' } } }
    await push().sendRaw(encode(item))
    for (const socket of sockets) expect(await socket.waitFor(1)).toEqual(['grüße'])
    for (const stream of streams) await stream.waitForText(Buffer.from('grüße').toString('latin1'))
  })

  test('several pushers at once: each one in its own order, nothing lost', async () => {
    const client = await openStream('pushers')
    const publishers = Array.from({ length: 4 }, push)
    const count = 2_000
    await Promise.all(
      publishers.map(async (publisher, at) => {
        for (let n = 0; n < count; n += 1) await publisher.publish(streamItem('pushers', `${at}:${n}\n`))
      }),
    )
    const lines = (): string[] => client.text.split('\n').slice(1, -1)
    await client.waitUntil(() => lines().length >= 4 * count)
    for (let at = 0; at < 4; at += 1) {
      const own = lines().filter((line) => line.startsWith(`${at}:`))
      expect(own).toEqual(Array.from({ length: count }, (_, n) => `${at}:${n}`))
    }
  })
})

describe('ZeroMQ PUB that connects to the gateway', () => {
  test.each<ItemEncoding>(['json', 'tnetstring'])(
    'publishes %s to both shards, when it has seen the channel',
    async (encoding) => {
      const channel = `pub-${encoding}`
      const publisher = PubPublisher.connect(gateway.ports.sub)
      cleanups.push(() => publisher.close())
      const clients = await onePerShard(
        gateway,
        'tackboard_stream_holds',
        () => openStream(channel),
        (client) => client.destroy(),
      )
      await publisher.subscribedTo(channel)
      for (let n = 0; n < 100; n += 1) await publisher.publish(streamItem(channel, `${n} `), encoding)
      for (const client of clients) {
        await client.waitForText(' 99 ')
        expect(client.text).toBe(`[stream opened]\n${Array.from({ length: 100 }, (_, n) => `${n} `).join('')}`)
      }
    },
  )

  test('sees a channel come with its first subscriber and go with its last, on any shard', async () => {
    const publisher = PubPublisher.connect(gateway.ports.sub)
    cleanups.push(() => publisher.close())
    const clients = await onePerShard(
      gateway,
      'tackboard_stream_holds',
      () => openStream('comes-and-goes'),
      (client) => client.destroy(),
    )
    await publisher.subscribedTo('comes-and-goes')
    clients[0]?.destroy()
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_stream_holds') === 1)
    // What it has been told so far is known when a channel opened afterwards has come.
    await openStream('a-marker')
    await publisher.subscribedTo('a-marker')
    expect(publisher.seen.filter((line) => line.endsWith('comes-and-goes'))).toEqual(['+comes-and-goes'])
    clients[1]?.destroy()
    await publisher.unsubscribedFrom('comes-and-goes')
    expect(publisher.seen.filter((line) => line.endsWith('comes-and-goes'))).toEqual([
      '+comes-and-goes',
      '-comes-and-goes',
    ])
  })

  test('that comes late is told about the channels there are', async () => {
    await openStream('here-before')
    const publisher = PubPublisher.connect(gateway.ports.sub)
    cleanups.push(() => publisher.close())
    await publisher.subscribedTo('here-before')
  })
})

describe('ZeroMQ PUB that the shards connect to', () => {
  let connecting: Gateway
  let publisher: PubPublisher
  let spec: string

  beforeAll(async () => {
    ;({ publisher, spec } = await PubPublisher.bind())
    const conf = {
      'handler.push_in_sub_connect': 'true',
      'handler.push_in_sub_specs': spec,
      'handler.id_cache_ttl': '60',
    }
    connecting = await startGateway({ routes: ['* test'], conf })
  })

  afterAll(async () => {
    await connecting.stop()
    publisher.close()
  })

  test('publishes to both shards and sees the channel come and go', async () => {
    const clients = await onePerShard(
      connecting,
      'tackboard_stream_holds',
      () => openStream('direct', connecting),
      (client) => client.destroy(),
    )
    // The publisher's socket shows a topic once, whoever asks first: publish until each shard has said that it is there.
    await publisher.subscribedTo('direct')
    for (const client of clients) {
      for (let n = 0; !client.text.includes('probe'); n += 1) {
        await publisher.publish(streamItem('direct', 'probe '))
        await connecting.metrics()
      }
    }
    for (let n = 0; n < 100; n += 1) await publisher.publish(streamItem('direct', `${n} `))
    for (const client of clients) {
      await client.waitForText(' 99 ')
      expect(client.text.replaceAll('probe ', '')).toBe(
        `[stream opened]\n${Array.from({ length: 100 }, (_, n) => `${n} `).join('')}`,
      )
    }
    for (const client of clients) client.destroy()
    await publisher.unsubscribedFrom('direct')
    expect(publisher.seen.filter((line) => line.endsWith('direct'))).toEqual(['+direct', '-direct'])
  })

  test('is connected to again after it was gone, with the channels there are', async () => {
    const client = await openStream('direct-again', connecting)
    await publisher.subscribedTo('direct-again')
    publisher.close()
    // ZeroMQ lets go of the port a moment later.
    publisher = await poll(
      () =>
        PubPublisher.bind(Number(spec.split(':').pop())).then(
          ({ publisher: bound }) => bound,
          () => undefined,
        ),
      () => 'the port again',
    )
    await publisher.subscribedTo('direct-again')
    await publisher.publish(streamItem('direct-again', 'back'))
    await client.waitForText('back')
  })
})

describe('duplicate ids', () => {
  test('are dropped, whichever door they come in by', async () => {
    const client = await openStream('ids')
    const pub = PubPublisher.connect(gateway.ports.sub)
    cleanups.push(() => pub.close())
    await pub.subscribedTo('ids')
    const pusher = push()
    const before = (await gateway.metrics()).value('tackboard_publish_duplicates_total')
    const item = { id: 'same', ...streamItem('ids', 'once ') }
    await publishHttp(gateway.controlUrl('/publish/'), item, item)
    await pusher.publish(item)
    await pub.publish(item, 'tnetstring')
    const metrics = await gateway.metricsWhere((now) => now.value('tackboard_publish_duplicates_total') === before + 3)
    expect(metrics.value('tackboard_publish_duplicates_total')).toBe(before + 3)
    // Another id, and the same id on another channel, are no duplicates.
    const other = await openStream('ids-2')
    await pusher.publish({ id: 'same', ...streamItem('ids-2', 'there too') })
    await other.waitForText('there too')
    await publishHttp(gateway.controlUrl('/publish/'), { id: 'next', ...streamItem('ids', 'and on') })
    await client.waitForText('and on')
    expect(client.text).toBe('[stream opened]\nonce and on')
  })
})

describe('publishers in other languages', () => {
  test.skipIf(!hasPython)('Python with pyzmq: PUSH and PUB', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tackboard-python-'))
    cleanups.push(() => rm(folder, { recursive: true, force: true }))
    const script = join(folder, 'publish.py')
    await writeFile(script, PYTHON_PUBLISHER)
    const client = await openStream('python')
    await runCommand(PYTHON, script, String(gateway.ports.pull), String(gateway.ports.sub), 'python')
    await client.waitForText('pushed ')
    await client.waitForText('from a pub ')
  })

  // Over HTTP only: with a ZeroMQ spec pushpin-publish 1.41 fails by itself ("failed to write whole buffer").
  test.skipIf(!hasPushpinPublish)("Pushpin's own pushpin-publish", async () => {
    const socket = await WsClient.connect(gateway.wsUrl('/ws?channel=tool'))
    const stream = await openStream('tool')
    cleanups.push(() => socket.terminate())
    const tool = (...args: string[]): Promise<string> =>
      runCommand(pushpinProgram, ...pushpinArgs, `--spec=${gateway.controlUrl('')}`, ...args)
    await tool('tool', 'by the tool')
    await socket.waitForText('by the tool')
    await stream.waitForText('by the tool\n')
    await tool('--close', 'tool')
    expect((await socket.closed).code).toBe(1000)
    await stream.waitForEnd()
  })
})

const PYTHON_PUBLISHER = `
import json, sys, zmq
pull, sub, channel = sys.argv[1:4]
context = zmq.Context()

def item(content):
    return b'J' + json.dumps({'channel': channel, 'formats': {'http-stream': {'content': content}}}).encode()

push = context.socket(zmq.PUSH)
push.connect('tcp://127.0.0.1:' + pull)
push.send(item('pushed '))
pub = context.socket(zmq.XPUB)
pub.connect('tcp://127.0.0.1:' + sub)
while pub.recv() != b'\\x01' + channel.encode():
    pass
pub.send_multipart([channel.encode(), item('from a pub ')])
push.close(linger=5000)
pub.close(linger=5000)
context.term()
`
