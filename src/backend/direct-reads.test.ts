import net from 'node:net'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { Prng } from '../base/prng.js'
import { poll } from '../testing/wait.js'
import { DIRECT_READS, readDirectly } from './direct-reads.js'

const HIGH_WATER_MARK = 65_536
const READ_MAX = 65_536

let endings: (() => void)[] = []

afterEach(() => {
  for (const end of endings) end()
  endings = []
})

/** A socket whose peer is handed to `serve`. */
async function connected(serve: (peer: net.Socket) => void): Promise<net.Socket> {
  const server = net.createServer(serve).listen(0, '127.0.0.1')
  endings.push(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const options = { port, host: '127.0.0.1', highWaterMark: HIGH_WATER_MARK, onread: DIRECT_READS }
  const socket = net.connect(options)
  endings.push(() => socket.destroy())
  await once(socket, 'connect')
  readDirectly(socket)
  return socket
}

/** Every place has its own four bytes, in patterns of different length too. */
function pattern(length: number): Buffer {
  return Buffer.from(Uint32Array.from({ length: length / 4 }, (_, index) => index + length * 1000).buffer)
}

/** Writes `bytes` in pieces of random length, and ends. */
function serveInPieces(bytes: Buffer, prng: Prng): (peer: net.Socket) => void {
  return (peer) => {
    let at = 0
    const next = (): void => {
      while (at < bytes.length) {
        const length = 1 + prng.below(prng.happens(0.5) ? 300 : 100_000)
        const isTaken = peer.write(bytes.subarray(at, at + length))
        at += length
        if (!isTaken) return void peer.once('drain', next)
        if (prng.happens(0.3)) return void setImmediate(next)
      }
      peer.end()
    }
    next()
  }
}

/** Takes what comes, now or later, and gives some of it back; what it has kept. */
function readSlowly(socket: net.Socket, prng: Prng): Buffer[] {
  const got: Buffer[] = []
  const read = (): void => {
    for (;;) {
      // More comes meanwhile.
      if (prng.happens(0.1)) return void setTimeout(read, prng.below(4))
      const chunk = socket.read() as Buffer | null
      if (chunk === null) return
      const taken = prng.happens(0.1) ? prng.below(chunk.length) : chunk.length
      got.push(chunk.subarray(0, taken))
      if (taken < chunk.length) socket.unshift(chunk.subarray(taken))
    }
  }
  socket.on('readable', read)
  return got
}

describe('a socket that is read directly', () => {
  test('hands out what came within the event, before anything is in its buffer', async () => {
    const socket = await connected((peer) => peer.write('hello'))
    const seen = new Promise<unknown[]>((resolve) => {
      socket.once('readable', () => {
        resolve([socket.readableLength, String(socket.read()), socket.read()])
      })
    })
    expect(await seen).toEqual([0, 'hello', null])
  })

  test('loses and mixes nothing, whatever readers leave or give back, and ends', async () => {
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
    console.log(`direct reads: FUZZ_SEED=${String(seed)}`)
    const prng = new Prng(seed)
    const readers = Array.from({ length: 4 }, async (_, index) => {
      const bytes = pattern(2_000_000 + index * 4)
      const socket = await connected(serveInPieces(bytes, prng))
      const got = readSlowly(socket, prng)
      await once(socket, 'end')
      expect(Buffer.concat(got).equals(bytes)).toBe(true)
    })
    await Promise.all(readers)
  })

  test('stops reading when nobody takes it, and goes on when somebody does', async () => {
    const bytes = pattern(8_000_000)
    const socket = await connected((peer) => peer.end(bytes))
    socket.on('readable', () => undefined)
    await poll(
      () => Promise.resolve(socket.readableLength >= HIGH_WATER_MARK || undefined),
      () => 'a full buffer',
    )
    expect(socket.bytesRead).toBeLessThanOrEqual(HIGH_WATER_MARK + READ_MAX)
    const got: Buffer[] = []
    const read = (): void => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        got.push(chunk)
      }
    }
    socket.on('readable', read)
    read()
    await once(socket, 'end')
    expect(Buffer.concat(got).equals(bytes)).toBe(true)
  })

  test('is an ordinary stream until it is prepared', async () => {
    const server = net.createServer((peer) => peer.end('early')).listen(0, '127.0.0.1')
    endings.push(() => server.close())
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    const socket = net.connect({ port, host: '127.0.0.1', onread: DIRECT_READS })
    endings.push(() => socket.destroy())
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toBe('early')
  })
})
