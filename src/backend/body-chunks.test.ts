import { Buffer } from 'node:buffer'
import { describe, expect, it } from 'vitest'
import { bodyChunks } from './body-chunks.js'

const bytes = (length: number, fill: string): Buffer => Buffer.alloc(length, fill)

describe('the body of a request', () => {
  it('is one buffer when it is short, and the slice itself when there is one', () => {
    expect(bodyChunks([])).toHaveLength(0)
    const one = bytes(1_000_000, 'a')
    expect(bodyChunks([one])).toBe(one)
    expect(bodyChunks([bytes(2, 'a'), bytes(3, 'b')])).toEqual(Buffer.from('aabbb'))
  })

  it('is a list of chunks when it is long: large slices as they are, small ones joined', () => {
    const large = bytes(500_000, 'b')
    const slices = [bytes(9, 'a'), large, bytes(2, 'c'), ...Array.from({ length: 30 }, () => bytes(8_192, 'd'))]
    const chunks = bodyChunks(slices) as Buffer[]
    expect(chunks[1]).toBe(large)
    expect(chunks.map(({ length }) => length)).toEqual([9, 500_000, 2 + 7 * 8_192, 65_536, 65_536, 7 * 8_192])
    expect(Buffer.concat(chunks).equals(Buffer.concat(slices))).toBe(true)
  })
})
