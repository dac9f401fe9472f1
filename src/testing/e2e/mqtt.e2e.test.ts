/**
 * docs/examples/mqtt behind the gateway: the real mqtt client, with a new backend process for every request; then a raw
 * client that cuts its packets where it likes.
 */
import mqtt from 'mqtt'
import type { MqttClient } from 'mqtt'
import { generate } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ExampleFront } from '../example-backend.js'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { Waiters } from '../wait.js'
import { WsClient } from '../ws-client.js'

let gateway: Gateway
/** `/…` goes to a backend that is started anew for every request, `/one/…` to one that lives on. */
let fresh: ExampleFront
let lasting: ExampleFront

beforeAll(async () => {
  const env = (): Record<string, string> => ({ GRIP_URL: gateway.controlUrl('/') })
  // Processes are started before the gateway has a port: they get their address by the time of the first request.
  fresh = await ExampleFront.start('mqtt', { restarting: true, env: () => (gateway === undefined ? {} : env()) })
  lasting = await ExampleFront.start('mqtt', { restarting: false, env: () => (gateway === undefined ? {} : env()) })
  gateway = await startGateway({
    routes: [`* ${fresh.backend.target},over_http`, `*,path_beg=/one/ ${lasting.backend.target},over_http`],
  })
  await Promise.all([fresh.restart(), lasting.restart()])
})

afterAll(async () => {
  await gateway.stop()
  await Promise.all([fresh.stop(), lasting.stop()])
})

describe('the mqtt client', () => {
  class Listener {
    readonly messages: string[] = []
    readonly #waiters = new Waiters()

    constructor(client: MqttClient) {
      client.on('message', (topic, payload, packet) => {
        this.messages.push(`${topic} ${payload.toString()} ${String(packet.qos)}`)
        this.#waiters.changed()
      })
    }

    received(count: number): Promise<string[]> {
      return this.#waiters.until(
        () => (this.messages.length >= count ? this.messages.slice(0, count) : undefined),
        () => `${String(count)} messages; there are ${this.messages.join(', ')}`,
      )
    }
  }

  function connect(clientId: string): Promise<MqttClient> {
    return mqtt.connectAsync(gateway.wsUrl('/mqtt'), { clientId, keepalive: 60, reconnectPeriod: 0 })
  }

  test('subscribes, publishes with QoS 0 and 1, pings and disconnects', async () => {
    const from = fresh.backend.calls.length
    const client = await connect('one')
    const listener = new Listener(client)
    expect(await client.subscribeAsync({ news: { qos: 1 } })).toMatchObject([{ topic: 'news', qos: 0 }])
    await client.publishAsync('news', 'zero')
    await client.publishAsync('news', 'one', { qos: 1 })
    expect(await listener.received(2)).toEqual(['news zero 0', 'news one 0'])

    const pong = new Promise<void>((resolve) => {
      client.on('packetreceive', (packet) => {
        if (packet.cmd === 'pingresp') resolve()
      })
    })
    client.sendPing()
    await pong

    await client.unsubscribeAsync('news')
    await client.publishAsync('news', 'nobody hears it', { qos: 1 })
    await client.endAsync()
    expect(listener.messages).toHaveLength(2)
    const [opening] = fresh.backend.calls.slice(from)
    expect(opening?.header('Sec-WebSocket-Protocol')).toContain('mqtt')
  })

  test('two clients talk, on topics with any characters', async () => {
    const topic = 'rooms/caf\u00e9 "1"/\u{1f44b}'
    const [one, two] = await Promise.all([connect('one'), connect('two')])
    const [ofOne, ofTwo] = [new Listener(one), new Listener(two)]
    await Promise.all([one.subscribeAsync(topic), two.subscribeAsync([topic, 'other'])])
    await one.publishAsync(topic, 'from one', { qos: 1 })
    await two.publishAsync(topic, 'from two', { qos: 1 })
    await one.publishAsync('other', 'x'.repeat(20_000), { qos: 1 })
    const both = [`${topic} from one 0`, `${topic} from two 0`]
    expect(await ofOne.received(2)).toEqual(both)
    expect(await ofTwo.received(3)).toEqual([...both, `other ${'x'.repeat(20_000)} 0`])
    await Promise.all([one.endAsync(), two.endAsync()])
  })

  test('is refused a wildcard and MQTT 5', async () => {
    const client = await connect('one')
    await expect(client.subscribeAsync('news/#')).rejects.toThrow('Unspecified error')
    await client.endAsync()
    const five = mqtt.connect(gateway.wsUrl('/mqtt'), { protocolVersion: 5, reconnectPeriod: 0 })
    const error = await new Promise<Error>((resolve) => five.once('error', resolve))
    expect(error.message).toContain('Unacceptable protocol version')
    await five.endAsync(true)
  })
})

describe('a client that frames as it likes', () => {
  const topic = 'raw'
  const PACKETS = [
    generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: 'raw', keepalive: 0 }),
    generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 0 }] }),
    generate({ cmd: 'publish', topic, payload: 'zero', qos: 0, dup: false, retain: false }),
    generate({ cmd: 'publish', topic, payload: 'one', qos: 1, messageId: 2, dup: false, retain: false }),
    generate({ cmd: 'pingreq' }),
    generate({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: [topic] }),
    generate({ cmd: 'disconnect' }),
  ]
  const ALL = Buffer.concat(PACKETS)
  const publish = (payload: string): string =>
    generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false }).toString('hex')
  /** CONNACK, SUBACK, PUBACK, PINGRESP, UNSUBACK: what the backend answers, in its order. */
  const ANSWERS = ['20020000', '9003000100', '40020002', 'd000', 'b0020003']
  const PUBLISHED = [publish('zero'), publish('one')]

  function connect(path: string): Promise<WsClient> {
    return WsClient.connect(gateway.wsUrl(path), { protocols: ['mqtt'] })
  }

  /**
   * What came, when the backend has closed: everything that was answered, in order, and, when `isListening`, everything
   * that was published. (Published messages come another way, so one behind UNSUBSCRIBE may be lost to the client.)
   */
  async function check(client: WsClient, isListening: boolean): Promise<void> {
    expect(await client.closed).toEqual({ code: 1000, reason: '' })
    const came = client.messages.map(({ data }) => data.toString('hex'))
    expect(came.filter((packet) => !PUBLISHED.includes(packet))).toEqual(ANSWERS)
    const published = came.filter((packet) => PUBLISHED.includes(packet))
    if (isListening) expect(published).toEqual(PUBLISHED)
    else expect(PUBLISHED).toEqual(expect.arrayContaining(published))
    expect(client.messages.every(({ isBinary }) => isBinary)).toBe(true)
  }

  test('one byte in a message, each in a request of its own', async () => {
    const from = lasting.backend.calls.length
    const client = await connect('/one/mqtt')
    expect(client.socket.protocol).toBe('mqtt')
    let heldBack = 0
    for (const [index, byte] of [...ALL].entries()) {
      client.send(Buffer.from([byte]))
      await lasting.backend.received(from + 2 + index)
      const call = lasting.backend.calls[from + 1 + index]
      await call?.over
      expect(call?.header('Content-Bytes-Replayed') ?? '0').toBe(String(heldBack))
      heldBack = PACKETS.some((_packet, n) => index + 1 === end(n)) ? 0 : heldBack + 1
      // What was published is here before the client unsubscribes.
      if (index + 1 === end(4)) await client.waitFor(6)
    }
    await check(client, true)
  })

  function end(packet: number): number {
    return PACKETS.slice(0, packet + 1).reduce((sum, { length }) => sum + length, 0)
  }

  test('two messages, cut at every place', async () => {
    const cuts = Array.from({ length: ALL.length - 1 }, (_, index) => index + 1)
    for (let from = 0; from < cuts.length; from += 10) {
      await Promise.all(
        cuts.slice(from, from + 10).map(async (cut) => {
          const client = await connect('/one/mqtt')
          client.send(ALL.subarray(0, cut))
          client.send(ALL.subarray(cut))
          await check(client, false)
        }),
      )
    }
  })

  test('all packets in one message, and one byte in a message with a new backend for every request', async () => {
    const whole = await connect('/mqtt')
    whole.send(ALL)
    await check(whole, false)
    const cut = await connect('/mqtt')
    for (const byte of ALL) cut.send(Buffer.from([byte]))
    await check(cut, false)
  })

  test('a packet before CONNECT, a second CONNECT and what is no packet end the connection', async () => {
    const [connectPacket] = PACKETS as [Buffer]
    for (const bytes of [
      PACKETS[4] as Buffer,
      Buffer.concat([connectPacket, connectPacket]),
      Buffer.concat([connectPacket, Buffer.from('ffffffffff', 'hex')]),
    ]) {
      const client = await connect('/one/mqtt')
      client.send(bytes)
      expect([1002, 1009]).toContain((await client.closed).code)
    }
  })
})
