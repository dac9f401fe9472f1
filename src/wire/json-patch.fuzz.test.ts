import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PatchFault, patchBody } from './json-patch.js'
import type { Json } from './publish-types.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
console.log(`json-patch fuzz: FUZZ_SEED=${seed}`)
const parameters = { seed, numRuns: 1_000 }

const name = fc.constantFrom('a', 'b', 'a/b', '~', '~1', '0', '-', '__proto__', '\u00e9')
const scalar = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string(), fc.boolean())
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.constant(null),
    fc.array(tie('json'), { maxLength: 4 }),
    fc.array(fc.tuple(name, tie('json')), { maxLength: 4 }).map(objectOf),
  ),
}))
const container = json.filter((value) => typeof value === 'object' && value !== null)
const object = fc.array(fc.tuple(name, json), { maxLength: 5 }).map(objectOf)

/** Own members only, `__proto__` too, as JSON.parse makes them. */
function objectOf(members: readonly (readonly [string, Json])[]): Json {
  const made = Object.create(null) as Record<string, Json>
  for (const [key, value] of members) made[key] = value
  return JSON.parse(JSON.stringify(made)) as Json
}

const pointer = fc.oneof(
  { weight: 8, arbitrary: fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.map(pieceOf).join('')) },
  { weight: 1, arbitrary: fc.constantFrom('/', '', '//', 'a', '/a/') },
)

function pieceOf(key: string): string {
  return `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

const operation: fc.Arbitrary<Json> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record<{ op: string; path: string; from: string; value: Json }>({
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
      path: pointer,
      from: pointer,
      value: json,
    }),
  },
  { weight: 1, arbitrary: json },
)

function bytesOf(value: Json): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function result(body: Json, ...operations: readonly Json[]): Json {
  const patched = patchBody(bytesOf(body), operations)
  if (patched instanceof PatchFault) throw patched
  return JSON.parse(patched.toString()) as Json
}

/** -0 is written as 0. */
function plain(value: Json): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}

describe('json-patch fuzz', () => {
  it('answers any body and any operations with JSON or a fault, and leaves the operations alone', () => {
    fc.assert(
      fc.property(
        fc.oneof(container.map(bytesOf), fc.string().map(Buffer.from)),
        fc.array(operation),
        (body, operations) => {
          const before = JSON.stringify(operations)
          const patched = patchBody(body, operations)
          if (!(patched instanceof PatchFault)) expect(typeof JSON.parse(patched.toString())).toBe('object')
          expect(JSON.stringify(operations)).toBe(before)
        },
      ),
      parameters,
    )
  })

  it('keeps any body without an operation', () => {
    fc.assert(
      fc.property(container, (body) => {
        expect(result(body)).toEqual(plain(body))
      }),
      parameters,
    )
  })

  it('finds what it added, and removes it again', () => {
    fc.assert(
      fc.property(object, json, (body, value) => {
        const path = '/new'
        const added = result(body, { op: 'add', path, value })
        expect((added as Record<string, Json>)['new']).toEqual(plain(value))
        expect(result(added, { op: 'remove', path })).toEqual(plain(body))
      }),
      parameters,
    )
  })

  it('moves like a copy and a removal', () => {
    fc.assert(
      fc.property(object, name, (body, key) => {
        const from = pieceOf(key)
        fc.pre(Object.hasOwn(body as object, key))
        const copied = [
          { op: 'copy', from, path: '/new' },
          { op: 'remove', path: from },
        ]
        expect(result(body, { op: 'move', from, path: '/new' })).toEqual(result(body, ...copied))
      }),
      parameters,
    )
  })

  it('writes what it reads: a second time nothing changes', () => {
    fc.assert(
      fc.property(container, (body) => {
        const once = patchBody(bytesOf(body), []) as Buffer
        expect(patchBody(once, [])).toEqual(once)
      }),
      parameters,
    )
  })
})
