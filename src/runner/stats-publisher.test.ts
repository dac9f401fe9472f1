import { pino } from 'pino'
import { afterEach, expect, test } from 'vitest'
import * as zmq from 'zeromq'
import { StatsListener } from '../testing/stats-listener.js'
import { poll, Waiters } from '../testing/wait.js'
import { type StatsPacket, StatsType } from '../wire/stats-packet.js'
import { StatsPublisher } from './stats-publisher.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Scene {
  readonly publisher: StatsPublisher
  /** Resolves when somebody listens to exactly these types. */
  wants(...types: StatsType[]): Promise<true>
}

async function open(packetsMax: number): Promise<Scene> {
  const waiters = new Waiters()
  let wanted = ''
  const publisher = await StatsPublisher.open({
    spec: 'tcp://127.0.0.1:*',
    ipcFileMode: null,
    format: 'json',
    from: 'gw',
    log: pino({ level: 'silent' }),
    packetsMax,
    onWanted: (types) => {
      wanted = [...types].join()
      waiters.changed()
    },
  })
  cleanups.push(() => publisher.close())
  const wants = (...types: StatsType[]): Promise<true> =>
    waiters.until(
      () => wanted === types.join() || undefined,
      () => `${types.join()} instead of ${wanted}`,
    )
  return { publisher, wants }
}

function counts(requestsReceived: number): StatsPacket {
  return { type: StatsType.Counts, requestsReceived }
}

test('knows which types somebody listens to, by prefixes shorter and longer than their names', async () => {
  const { publisher, wants } = await open(100)
  const socket = new zmq.Subscriber({ linger: 0 })
  cleanups.push(() => {
    socket.close()
  })
  socket.connect(publisher.endpoint)
  socket.subscribe('co')
  await wants(StatsType.Counts, StatsType.Conn)
  socket.subscribe('sub J{"channel":"a')
  await wants(StatsType.Counts, StatsType.Conn, StatsType.Sub)
  socket.unsubscribe('co')
  await wants(StatsType.Sub)
  socket.subscribe('')
  await wants(...Object.values(StatsType))
  socket.close()
  await wants()
})

test('makes no packet of a type that nobody listens to', async () => {
  const { publisher, wants } = await open(100)
  publisher.publish(counts(1))
  const listener = StatsListener.connect(publisher.endpoint, ['sub', 'counts'])
  cleanups.push(() => {
    listener.close()
  })
  await wants(StatsType.Counts, StatsType.Sub)
  publisher.publish({ type: StatsType.Conn, id: 'x', route: '', connection: null })
  publisher.publish(counts(2))
  await listener.waitFor('counts', { 'requests-received': 2 })
  expect(listener.packets).toHaveLength(1)
  expect(publisher.sent).toBe(1)
})

test('a listener that does not read loses packets, which is counted, and the others none', async () => {
  const { publisher, wants } = await open(100)
  const slow = new zmq.Subscriber({ linger: 0, receiveHighWaterMark: 1, receiveBufferSize: 4_096 })
  cleanups.push(() => {
    slow.close()
  })
  slow.connect(publisher.endpoint)
  slow.subscribe('')
  await wants(...Object.values(StatsType))
  const listener = StatsListener.connect(publisher.endpoint, [''])
  cleanups.push(() => {
    listener.close()
  })
  // The first that it gets tells that its subscription has come.
  await poll(
    async () => {
      publisher.publish(counts(1))
      await new Promise((resolve) => setImmediate(resolve))
      return listener.packets.length > 0 || undefined
    },
    () => 'a first packet',
  )
  const id = 'x'.repeat(20_000)
  for (let round = 0; publisher.slow === 0; round++) {
    publisher.publish({ type: StatsType.Conn, id: `${String(round)}${id}`, route: '', connection: null })
    await listener.waitFor('conn', { id: `${String(round)}${id}` })
  }
  expect(publisher.slow).toBe(1)
})

test('a spec that cannot be bound is an error that names it', async () => {
  const { publisher } = await open(1)
  const options = {
    spec: publisher.endpoint,
    ipcFileMode: null,
    format: 'json',
    from: 'gw',
    log: pino({ level: 'silent' }),
    onWanted: () => {},
  } as const
  await expect(StatsPublisher.open(options)).rejects.toThrow(`stats_spec: cannot bind ${publisher.endpoint}`)
})
