/** WebSocket framing for raw sockets (RFC 6455 §5.2), written apart from the gateway's so that one checks the other. */

export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const
export type Opcode = (typeof Opcode)[keyof typeof Opcode]

export interface Frame {
  readonly fin: boolean
  readonly opcode: number
  /** RSV1: the first frame of a compressed message. */
  readonly isCompressed: boolean
  readonly payload: Buffer
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
/** What a server must answer to the key that upgradeRequest sends (RFC 6455 §1.3). */
export const SEC_WEBSOCKET_ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

export function upgradeRequest(path: string, host: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({
    Host: host,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

export interface ClientFrameOptions {
  /** Default true. */
  readonly fin?: boolean
  /** Four bytes; null: unmasked, which a server must refuse. */
  readonly mask?: Buffer | null
  /** Reserved bits, 0..7. */
  readonly reserved?: number
}

/** A frame as a client sends it. */
export function clientFrame(opcode: number, payload: Buffer | string, options: ClientFrameOptions = {}): Buffer {
  const content = typeof payload === 'string' ? Buffer.from(payload) : payload
  const mask = options.mask === undefined ? Buffer.from([0x12, 0x34, 0x56, 0x78]) : options.mask
  const first = ((options.fin ?? true) ? 0x80 : 0) | ((options.reserved ?? 0) << 4) | opcode
  const head = [Buffer.from([first]), lengthBytes(content.length, mask !== null)]
  if (mask === null) return Buffer.concat([...head, content])
  const masked = content.map((byte, at) => byte ^ (mask[at & 3] ?? 0))
  return Buffer.concat([...head, mask, masked])
}

function lengthBytes(length: number, masked: boolean): Buffer {
  const bit = masked ? 0x80 : 0
  if (length < 126) return Buffer.from([bit | length])
  if (length < 65_536) return Buffer.from([bit | 126, length >> 8, length & 0xff])
  const bytes = Buffer.alloc(9)
  bytes[0] = bit | 127
  bytes.writeBigUInt64BE(BigInt(length), 1)
  return bytes
}

/** The whole frames at the start of `bytes` as a server sends them, and how many bytes they take. */
export function parseServerFrames(bytes: Buffer): { readonly frames: Frame[]; readonly consumed: number } {
  const frames: Frame[] = []
  let at = 0
  for (;;) {
    const size = frameSize(bytes.subarray(at))
    if (size === null || at + size.head + size.payload > bytes.length) return { frames, consumed: at }
    const first = bytes[at] ?? 0
    const payload = bytes.subarray(at + size.head, at + size.head + size.payload)
    frames.push({
      fin: (first & 0x80) !== 0,
      opcode: first & 0x0f,
      isCompressed: (first & 0x40) !== 0,
      payload,
    })
    at += size.head + size.payload
  }
}

function frameSize(bytes: Buffer): { readonly head: number; readonly payload: number } | null {
  if (bytes.length < 2) return null
  const short = (bytes[1] ?? 0) & 0x7f
  if (short < 126) return { head: 2, payload: short }
  if (short === 126) return bytes.length < 4 ? null : { head: 4, payload: bytes.readUInt16BE(2) }
  return bytes.length < 10 ? null : { head: 10, payload: Number(bytes.readBigUInt64BE(2)) }
}
