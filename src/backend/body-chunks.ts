/** Request bodies that are lists of slices, as undici takes them best. */
import { Buffer } from 'node:buffer'

/** Up to here a body is joined and goes out in one write: cheaper than several with a promise each. */
const JOINED_BYTES_MAX = 131_072
/** Joined slices of a longer body. A buffer of megabytes would cost more to get from the kernel than to fill. */
const CHUNK_BYTES_MAX = 65_536

/** One buffer, or for a long body chunks to be written one behind the other. Large slices are referred to. */
export function bodyChunks(slices: readonly Buffer[]): Buffer | Buffer[] {
  if (slices.length === 1) return slices[0] as Buffer
  const bytes = slices.reduce((sum, { length }) => sum + length, 0)
  if (bytes <= JOINED_BYTES_MAX) return Buffer.concat(slices, bytes)
  const chunks: Buffer[] = []
  let joined: Buffer[] = []
  let joinedBytes = 0
  const flush = (): void => {
    if (joined.length > 0) chunks.push(joined.length === 1 ? (joined[0] as Buffer) : Buffer.concat(joined, joinedBytes))
    joined = []
    joinedBytes = 0
  }
  for (const slice of slices) {
    if (joinedBytes + slice.length > CHUNK_BYTES_MAX) flush()
    joined.push(slice)
    joinedBytes += slice.length
  }
  flush()
  return chunks
}
