import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Push, Publisher, type Socket, XPublisher } from 'zeromq'
import type { PublishItem } from '../wire/publish-types.js'
import { encodeTnetstring } from '../wire/tnetstring.js'
import { openZmqInputs, type ZmqDoor, type ZmqInputs, type ZmqInputsOptions } from './zmq-inputs.js'

const ITEM = 'J{"channel":"a","ws-message":{"content":"x"}}'
const numbered = (n: number): string => `J{"channel":"c${n}","ws-message":{"content":"x"}}`

let inputs: ZmqInputs | undefined
let sockets: Socket[] = []
let items: [PublishItem, ZmqDoor][] = []
let bad: ZmqDoor[] = []
let warnings: string[] = []
let errors: string[] = []
let changed = (): void => undefined

afterEach(async () => {
  for (const socket of sockets) socket.close()
  await inputs?.close()
  inputs = undefined
  sockets = []
  items = []
  bad = []
  warnings = []
  errors = []
})

async function open(options: Partial<ZmqInputsOptions> = {}): Promise<ZmqInputs> {
  inputs = await openZmqInputs({
    pullSpecs: [],
    subSpecs: [],
    ipcFileMode: null,
    log: {
      warn: (text: unknown) => void warnings.push(String(text)),
      error: (_: unknown, text?: string) => void errors.push(String(text)),
    },
    onItem: (item, door) => {
      items.push([item, door])
      changed()
    },
    onBad: (door) => {
      bad.push(door)
      changed()
    },
    ...options,
  })
  return inputs
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise<void>((resolve) => (changed = resolve))
}

function connected<T extends Socket>(socket: T, index = 0): T {
  socket.linger = 0
  socket.connect((inputs as ZmqInputs).endpoints[index] as string)
  sockets.push(socket)
  return socket
}

/** The next subscription frame that a publisher's XPUB sees, as text. */
async function frame(publisher: XPublisher): Promise<string> {
  const [bytes] = (await publisher.receive()) as [Buffer]
  return bytes.toString('latin1')
}

describe('PULL', () => {
  it('takes items from several publishers and several specs, in order for each', async () => {
    await open({ pullSpecs: ['tcp://127.0.0.1:*', 'tcp://127.0.0.1:*'] })
    const first = connected(new Push())
    const second = connected(new Push(), 1)
    for (let n = 0; n < 500; n++) {
      await first.send(numbered(n))
      await second.send(numbered(n + 1000))
    }
    await until(() => items.length === 1000)
    const numbers = items.map(([item]) => Number(item.channel.slice(1)))
    expect(numbers.filter((n) => n < 1000)).toEqual(Array.from({ length: 500 }, (_, n) => n))
    expect(numbers.filter((n) => n >= 1000)).toEqual(Array.from({ length: 500 }, (_, n) => n + 1000))
    expect(new Set(items.map(([, door]) => door))).toEqual(new Set(['pull']))
  })

  it('goes on after bad messages, counts each and logs the first with its reason', async () => {
    await open({ pullSpecs: ['tcp://127.0.0.1:*'] })
    const push = connected(new Push())
    await push.send(['a', ITEM])
    await push.send('')
    await push.send('J[')
    await push.send('J[]')
    await push.send('J{}')
    await push.send(encodeTnetstring(new Map([['channel', 'a']])))
    await push.send(ITEM)
    await until(() => items.length === 1)
    expect(bad).toEqual(Array(6).fill('pull'))
    expect(warnings).toEqual(['IN pull: received message with parts != 1, skipping'])
    await inputs?.close()
    expect(warnings[1]).toBe(
      'IN pull: 5 more bad messages, skipping; the last one: received message with invalid format: no formats specified',
    )
  })

  it.each([
    ['J', 'received message with invalid format (json parse failed)'],
    ['J[]', 'received message with invalid format (not a valid json object)'],
    ['5:hello', 'received message with invalid format (tnetstring parse failed)'],
    ['J{}', "received message with invalid format: publish item object does not contain 'channel'"],
  ])('logs Pushpin’s sentence for %j', async (message, reason) => {
    await open({ pullSpecs: ['tcp://127.0.0.1:*'] })
    await connected(new Push()).send(message)
    await until(() => bad.length === 1)
    expect(warnings).toEqual([`IN pull: ${reason}, skipping`])
  })

  it('goes on when the taker of an item fails', async () => {
    await open({
      pullSpecs: ['tcp://127.0.0.1:*'],
      onItem: (item, door) => {
        if (items.push([item, door]) === 1) throw new Error('no')
        changed()
      },
    })
    const push = connected(new Push())
    await push.send(ITEM)
    await push.send(ITEM)
    await until(() => items.length === 2)
    expect(errors).toEqual(['IN pull: item for a failed'])
    expect(bad).toEqual(['pull'])
  })

  it('hands nothing out while paused, loses nothing, and keeps the order', async () => {
    const door = await open({
      pullSpecs: ['tcp://127.0.0.1:*'],
      onItem: (item, from) => {
        items.push([item, from])
        if (items.length === 10) door.pause()
        changed()
      },
    })
    const push = connected(new Push())
    for (let n = 0; n < 200; n++) await push.send(numbered(n))
    await until(() => items.length === 10)
    // Another pusher's message would be seen by now if the door still took any.
    for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve))
    expect(items).toHaveLength(10)
    door.pause()
    door.resume()
    await until(() => items.length === 200)
    expect(items.map(([item]) => item.channel)).toEqual(Array.from({ length: 200 }, (_, n) => `c${n}`))
  })

  it('closes while paused, while a message waits, and twice', async () => {
    const door = await open({ pullSpecs: ['tcp://127.0.0.1:*'] })
    door.pause()
    const push = connected(new Push())
    await push.send(ITEM)
    await door.close()
    await door.close()
    expect(items).toEqual([])
  })
})

describe('XSUB', () => {
  it('shows a channel to the XPUB of a publisher with its first and last holder', async () => {
    const door = await open({ subSpecs: ['tcp://127.0.0.1:*'] })
    const publisher = connected(new XPublisher())
    door.subscribe('a\xff')
    expect(await frame(publisher)).toBe('\x01a\xff')
    door.subscribe('')
    expect(await frame(publisher)).toBe('\x01')
    door.unsubscribe('a\xff')
    expect(await frame(publisher)).toBe('\x00a\xff')
  })

  it('tells a publisher that comes later, on every spec', async () => {
    const door = await open({ subSpecs: ['tcp://127.0.0.1:*', 'tcp://127.0.0.1:*'] })
    door.subscribe('a')
    expect(await frame(connected(new XPublisher(), 0))).toBe('\x01a')
    expect(await frame(connected(new XPublisher(), 1))).toBe('\x01a')
  })

  it('loses none of 20,000 channels subscribed in one turn', async () => {
    const door = await open({ subSpecs: ['tcp://127.0.0.1:*'] })
    const publisher = connected(new XPublisher({ receiveHighWaterMark: 0 }))
    door.subscribe('first')
    await frame(publisher)
    const channels = Array.from({ length: 20_000 }, (_, n) => `channel-${n}`)
    for (const channel of channels) door.subscribe(channel)
    const seen: string[] = []
    while (seen.length < channels.length) seen.push((await frame(publisher)).slice(1))
    expect(seen).toEqual(channels)
  })

  it('takes items under their topic, an empty topic falls back to the field', async () => {
    const door = await open({ subSpecs: ['tcp://127.0.0.1:*'] })
    const publisher = connected(new XPublisher())
    door.subscribe('')
    await frame(publisher)
    await publisher.send([Buffer.from('t\xff', 'latin1'), ITEM])
    await publisher.send(['t', 'J{"ws-message":{"content":"x"}}'])
    await publisher.send(['', ITEM])
    await until(() => items.length === 3)
    expect(items.map(([item, from]) => `${from} ${item.channel}`)).toEqual(['sub t\xff', 'sub t', 'sub a'])
  })

  it('gets only what is subscribed from a plain PUB', async () => {
    const door = await open({ subSpecs: ['tcp://127.0.0.1:*'] })
    const probe = connected(new XPublisher())
    door.subscribe('yes')
    await frame(probe)
    const publisher = connected(new Publisher())
    const timer = setInterval(() => {
      void publisher.send(['no', ITEM])
      void publisher.send(['yes', ITEM])
    }, 2)
    await until(() => items.length >= 3)
    clearInterval(timer)
    expect(new Set(items.map(([item]) => item.channel))).toEqual(new Set(['yes']))
  })

  it('refuses messages that have not two parts', async () => {
    const door = await open({ subSpecs: ['tcp://127.0.0.1:*'] })
    const publisher = connected(new XPublisher())
    door.subscribe('')
    await frame(publisher)
    await publisher.send(ITEM)
    await publisher.send(['a', ITEM, 'b'])
    await until(() => bad.length === 2)
    expect(warnings).toEqual(['IN sub: received message with parts != 2, skipping'])
    expect(bad).toEqual(['sub', 'sub'])
  })
})

describe('binding', () => {
  it('sets the mode of an ipc file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tackboard-zmq-'))
    try {
      const path = join(directory, 'pull')
      await open({ pullSpecs: [`ipc://${path}`], ipcFileMode: 0o770 })
      expect(statSync(path).mode & 0o777).toBe(0o770)
      await connected(new Push()).send(ITEM)
      await until(() => items.length === 1)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('names the setting and the spec that cannot be bound, and frees the others', async () => {
    const door = await open({ pullSpecs: ['tcp://127.0.0.1:*'] })
    const taken = door.endpoints[0] as string
    const options = {
      log: { warn: () => undefined, error: () => undefined },
      ipcFileMode: null,
      onItem: () => undefined,
      onBad: () => undefined,
    }
    await expect(openZmqInputs({ ...options, pullSpecs: [taken], subSpecs: [] })).rejects.toThrow(
      `push_in_spec: cannot bind ${taken}: Address already in use (EADDRINUSE)`,
    )
    const error = openZmqInputs({ ...options, pullSpecs: ['tcp://127.0.0.1:*'], subSpecs: ['nonsense'] })
    await expect(error).rejects.toThrow('push_in_sub_specs: cannot bind nonsense: Invalid argument (EINVAL)')
  })
})
