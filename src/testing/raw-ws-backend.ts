/** A native WebSocket backend on a bare TCP server, for exact bytes: what is sent when, and what came. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { Waiters, withDeadline } from './wait.js'
import { type Frame, clientFrame } from './websocket-frames.js'

/** A frame as a server sends it. */
export function serverFrame(
  opcode: number,
  payload: Buffer | string,
  options: { readonly fin?: boolean; readonly reserved?: number } = {},
): Buffer {
  return clientFrame(opcode, payload, { ...options, mask: null })
}

export class RawWsBackend {
  readonly #server: net.Server
  readonly #waiting: RawWsConnection[] = []
  readonly #open = new Set<net.Socket>()
  readonly #waiters = new Waiters()

  private constructor(server: net.Server) {
    this.#server = server
    server.on('connection', (socket) => {
      this.#open.add(socket)
      socket.once('close', () => this.#open.delete(socket))
      this.#waiting.push(new RawWsConnection(socket))
      this.#waiters.changed()
    })
  }

  /** Default: any free port. */
  static async start(port = 0): Promise<RawWsBackend> {
    const server = net.createServer({ allowHalfOpen: true })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return new RawWsBackend(server)
  }

  get target(): string {
    return `127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`
  }

  /** The next connection, with its head read. */
  async next(): Promise<RawWsConnection> {
    const connection = await this.#waiters.until(
      () => this.#waiting.shift(),
      () => 'a connection to the backend',
    )
    await connection.headRead()
    return connection
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

export class RawWsConnection {
  readonly socket: net.Socket
  /** What the gateway sent; null: its head is not complete. */
  head: string | null = null
  /** Frames from the gateway, unmasked. */
  readonly frames: Frame[] = []
  /** Resolves when the gateway has ended its direction, or the connection is gone. */
  readonly ended: Promise<void>
  readonly #waiters = new Waiters()
  #received: Buffer = Buffer.alloc(0)

  constructor(socket: net.Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#parse()
      this.#waiters.changed()
    })
    socket.on('error', () => {})
    this.ended = new Promise((resolve) => {
      socket.once('end', resolve)
      socket.once('close', () => {
        resolve()
      })
    })
  }

  async headRead(): Promise<string> {
    return this.#waiters.until(
      () => this.head ?? undefined,
      () => 'the head of the upgrade',
    )
  }

  /** A 101; `headers`: whole lines. */
  answer(headers = ''): string {
    const key = /^sec-websocket-key: (.*)$/im.exec(this.head ?? '')?.[1] ?? ''
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    return (
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n${headers}\r\n`
    )
  }

  /** In one write: one segment, if it fits. */
  send(...parts: readonly (string | Buffer)[]): void {
    this.socket.write(
      Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))),
    )
  }

  /** The first `count` frames as `opcode payload`, now or when they have come. */
  async waitFor(count: number): Promise<string[]> {
    const texts = (): string[] =>
      this.frames.map(({ opcode, payload }) => `${String(opcode)} ${payload.toString('latin1')}`)
    return this.#waiters.until(
      () => (this.frames.length >= count ? texts().slice(0, count) : undefined),
      () => `${String(count)} frames; there are ${JSON.stringify(texts())}`,
    )
  }

  async end(): Promise<void> {
    await withDeadline(this.ended, () => 'the gateway ends the connection')
  }

  #parse(): void {
    if (this.head === null) {
      const end = this.#received.indexOf('\r\n\r\n')
      if (end < 0) return
      this.head = this.#received.toString('latin1', 0, end)
      this.#received = this.#received.subarray(end + 4)
    }
    for (;;) {
      const frame = takeFrame(this.#received)
      if (frame === null) return
      this.#received = this.#received.subarray(frame.bytes)
      this.frames.push(frame)
    }
  }
}

/** The first whole frame; a client's are masked. */
function takeFrame(bytes: Buffer): (Frame & { readonly bytes: number }) | null {
  if (bytes.length < 2) return null
  const short = bytes.readUInt8(1) & 0x7f
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
  if (bytes.length < 2 + lengthBytes + 4) return null
  const length =
    lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
  const start = 2 + lengthBytes + 4
  if (bytes.length < start + length) return null
  const mask = bytes.subarray(start - 4, start)
  const payload = Buffer.from(bytes.subarray(start, start + length).map((byte, at) => byte ^ (mask[at & 3] ?? 0)))
  const first = bytes.readUInt8(0)
  return {
    fin: (first & 0x80) !== 0,
    opcode: first & 0x0f,
    isCompressed: (first & 0x40) !== 0,
    payload,
    bytes: start + length,
  }
}
