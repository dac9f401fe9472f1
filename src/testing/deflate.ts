/** permessage-deflate for raw clients (RFC 7692 §7.2), both directions. */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { type ClientFrameOptions, Opcode, clientFrame } from './websocket-frames.js'

/** What ends a flushed block and is left out of a message. */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff])
const FLUSH = { finishFlush: constants.Z_SYNC_FLUSH } as const
const WINDOW_BYTES = 32_768

/** RSV1 among the reserved bits of ClientFrameOptions. */
export const RSV1 = 4

/** The payload of a compressed message. */
export function deflateMessage(content: Buffer | string): Buffer {
  const deflated = deflateRawSync(Buffer.from(content), FLUSH)
  return deflated.subarray(0, deflated.length - TAIL.length)
}

/** Throws when it is not the payload of a compressed message. `history`: what came before it, with context takeover. */
export function inflateMessage(payload: Buffer, history: Buffer = Buffer.alloc(0)): Buffer {
  const dictionary = history.subarray(-WINDOW_BYTES)
  const bytes = Buffer.concat([payload, TAIL])
  return inflateRawSync(bytes, dictionary.length === 0 ? FLUSH : { ...FLUSH, dictionary })
}

/** A compressed text message in one frame. */
export function deflatedText(content: Buffer | string, options: ClientFrameOptions = {}): Buffer {
  return clientFrame(Opcode.Text, deflateMessage(content), { reserved: RSV1, ...options })
}
