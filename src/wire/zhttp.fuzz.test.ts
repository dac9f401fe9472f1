import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ZhttpType, decodeZhttpRequest, decodeZhttpResponse, encodeZhttpRequest, encodeZhttpResponse } from './zhttp.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
console.log(`zhttp fuzz: FUZZ_SEED=${seed}`)
const parameters = { seed, numRuns: 500 }

const text = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const number = fc.option(fc.integer(), { nil: null })
const ids = fc.array(fc.record({ id: text, seq: number }), { maxLength: 4 }).map((list) =>
  // One id without anything in it cannot be told from none.
  list.length === 1 && list[0]?.id === '' && list[0].seq === null ? [] : list,
)
const common = {
  from: text,
  ids,
  type: fc.constantFrom(...Object.values(ZhttpType)),
  condition: text,
  credits: number,
  more: fc.boolean(),
  code: number,
  headers: fc.array(fc.tuple(text, text), { maxLength: 4 }).map((pairs) => pairs.flat()),
  body: fc.option(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    { nil: null },
  ),
  contentType: text,
  userData: fc.constantFrom(null, true, 5),
  multi: fc.boolean(),
}
const response = fc.record({ ...common, reason: text })
const request = fc.record({
  ...common,
  stream: fc.boolean(),
  routerResp: fc.boolean(),
  maxSize: number,
  timeout: number,
  method: text,
  uri: text,
  peerAddress: text,
  peerPort: number,
  connectHost: text,
  connectPort: number,
  ignorePolicies: fc.boolean(),
  trustConnectHost: fc.boolean(),
  ignoreTlsErrors: fc.boolean(),
  followRedirects: fc.boolean(),
  passthrough: fc.constantFrom(null, false, 7),
  quiet: fc.boolean(),
})

const noise = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes))
/** Where to put what. */
const change = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) })

function changed(message: Buffer, changes: readonly { at: number; byte: number }[]): Buffer {
  const copy = Buffer.from(message)
  for (const { at, byte } of changes) copy[at % copy.length] = byte
  return copy
}

describe('zhttp fuzz', () => {
  it('decodes the requests it encoded, with anything behind them', () => {
    fc.assert(
      fc.property(request, noise, (packet, rest) => {
        const { condition } = packet
        const expected = { ...packet, condition: packet.type === ZhttpType.Error ? condition : '' }
        expect(decodeZhttpRequest(Buffer.concat([encodeZhttpRequest(packet), rest]))).toEqual(expected)
      }),
      parameters,
    )
  })

  it('decodes the responses it encoded', () => {
    fc.assert(
      fc.property(response, (packet) => {
        const { type, code, condition } = packet
        const isError = type === ZhttpType.Error
        const hasHead = code !== null && (type === ZhttpType.Data || (isError && condition === 'rejected'))
        const expected = {
          ...packet,
          condition: isError ? condition : '',
          reason: hasHead ? packet.reason : '',
          headers: hasHead ? packet.headers : [],
        }
        expect(decodeZhttpResponse(encodeZhttpResponse(packet))).toEqual(expected)
      }),
      parameters,
    )
  })

  it('takes or refuses what is damaged, and every cut', () => {
    fc.assert(
      fc.property(request, fc.array(change, { minLength: 1, maxLength: 3 }), fc.nat(), (packet, changes, end) => {
        const message = encodeZhttpRequest(packet)
        for (const bytes of [changed(message, changes), message.subarray(0, end % message.length)]) {
          for (const decoded of [decodeZhttpRequest(bytes), decodeZhttpResponse(bytes)]) {
            if ('error' in decoded) expect(decoded.error).not.toBe('')
            else expect(decoded.headers.length % 2).toBe(0)
          }
        }
      }),
      parameters,
    )
  })

  it('takes or refuses noise', () => {
    fc.assert(
      fc.property(noise, (bytes) => {
        for (const message of [bytes, Buffer.concat([Buffer.from('T'), bytes])]) {
          expect(decodeZhttpResponse(message)).toBeTypeOf('object')
        }
      }),
      parameters,
    )
  })
})
