import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeTnetstring, encodeTnetstring, type TnInput } from './tnetstring.js'
import { decodeZrpcRequest, encodeZrpcReply, isZrpcFault } from './zrpc.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
console.log(`zrpc fuzz: FUZZ_SEED=${seed}`)
const parameters = { seed, numRuns: 500 }

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
const value: fc.Arbitrary<TnInput> = fc.oneof(
  bytes,
  fc.maxSafeInteger(),
  fc.boolean(),
  fc.constant(null),
  fc.array(bytes),
)
const dictionary = fc
  .dictionary(fc.oneof(fc.constantFrom('id', 'from', 'method', 'args'), fc.string({ unit: 'binary-ascii' })), value)
  .map((fields) => new Map(Object.entries(fields)))
const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 })

/** Whatever came in, the reply to it can be written and read. */
function expectAnswered(part: Buffer): void {
  const request = decodeZrpcRequest(part)
  if (isZrpcFault(request)) expect(request.fault).toMatch(/^Invalid format: request /)
  const reply = encodeZrpcReply({ success: false, condition: 'c', value: 'v' }, request)
  if (request.form === 'tnetstring') expect(decodeTnetstring(reply)).toMatchObject({ ok: true, end: reply.length })
  else expect(JSON.parse(reply.toString().replace(/^J/, ''))).toMatchObject({ success: false, condition: 'c' })
}

describe('zrpc fuzz', () => {
  it('answers any bytes', () => {
    fc.assert(fc.property(bytes, expectAnswered), parameters)
  })

  it('answers dictionaries with any fields, damaged or not', () => {
    fc.assert(
      fc.property(dictionary, damage, (fields, changes) => {
        const part = encodeTnetstring(fields)
        for (const [at, byte] of changes) part[at % part.length] = byte
        expectAnswered(part)
      }),
      parameters,
    )
  })

  it('answers any JSON', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('', 'J'), (json, letter) => {
        expectAnswered(Buffer.from(letter + json))
        expectAnswered(Buffer.from(`${letter}{"method":${json},"id":${json}}`))
      }),
      parameters,
    )
  })

  it('reads the requests it can answer as they were meant', () => {
    fc.assert(
      fc.property(bytes, bytes, (id, method) => {
        const request = decodeZrpcRequest(
          encodeTnetstring(
            new Map([
              ['id', id],
              ['method', method],
            ]),
          ),
        )
        expect(request).toEqual({
          form: 'tnetstring',
          id: id.toString('latin1'),
          method: method.toString('latin1'),
          args: {},
        })
      }),
      parameters,
    )
  })
})
