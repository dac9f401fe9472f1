/** Random headers, instructions, control messages and tokens: what must hold whatever a peer sends. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeControlMessage } from './grip-control.js'
import { decodeInstruct, decodeStreamedHead, isGripResponse, peekHold } from './grip-instruct.js'
import { parseGripExtension, parseParameters, parseValueAndParameters, splitList } from './header-params.js'
import type { Parameter } from './header-params.js'
import { CHANNEL_FILTERS_MAX } from './instruct-types.js'
import { isLinkUri } from './link-uri.js'
import { decodeSigningKey, decodeVerifyingKey, verifyToken } from './jwt.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
console.log(`grip fuzz: FUZZ_SEED=${seed}`)
const parameters = { seed, numRuns: 400 }

const byteString = fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/)
/** Made of what means something to the parsers. */
const noise = fc
  .array(
    fc.oneof(
      fc.constantFrom(...'ab15=;,"\\ <>:/-\t'),
      fc.constantFrom('rel=next', 'rel=gone', 'filter=', 'timeout=', 'format=cstring', 'prev-id=', '</x>', '\xc3\xa9'),
    ),
    { maxLength: 12 },
  )
  .map((pieces) => pieces.join(''))
const gripName = fc.constantFrom(
  ...['Grip-Hold', 'Grip-Channel', 'grip-channel', 'Grip-Timeout', 'Grip-Keep-Alive', 'Grip-Set-Meta', 'Grip-Link'],
  ...['Grip-Status', 'Grip-Expose-Headers', 'Content-Type', 'Content-Length', 'X-A'],
)
const gripValue = fc.oneof(noise, byteString, fc.constantFrom('stream', 'response', 'application/grip-instruct', '200'))
const gripHeaders = fc.array(fc.tuple(gripName, gripValue), { maxLength: 6 }).map((pairs) => pairs.flat())

const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`

describe('header rules fuzz', () => {
  it('finds every piece of a list made of quoted texts', () => {
    fc.assert(
      fc.property(fc.array(byteString, { minLength: 1 }), (texts) => {
        const pieces = texts.map((text) => `a=${quote(text)}`)
        expect(splitList(pieces.join(' , '))).toEqual(pieces)
      }),
      parameters,
    )
  })

  it('reads parameters back, quoted or bare', () => {
    const pair = fc.tuple(token, fc.oneof(byteString, token), fc.boolean())
    fc.assert(
      fc.property(token, fc.array(pair), (value, pairs) => {
        const written = pairs.map(([name, text, quoted]) => {
          const isBare = !quoted && /^[A-Za-z0-9_-]+$/.test(text)
          return ` ${name}=${isBare ? text : quote(text)}`
        })
        const expected = pairs.map(([name, text]): Parameter => [name, text === '' ? null : text])
        expect(parseValueAndParameters([value, ...written].join(';'))).toEqual([[value, null], ...expected])
      }),
      parameters,
    )
  })

  it('loses and adds nothing when it splits, and cuts nothing longer than it was', () => {
    fc.assert(
      fc.property(gripValue, (value) => {
        const coreOf = (text: string) => text.replace(/[ \t\n\v\f\r,]/g, '')
        expect(coreOf(splitList(value).join(','))).toBe(coreOf(value))
        const length = (parseParameters(value) ?? []).flat().reduce((sum, text) => sum + (text?.length ?? 0), 0)
        expect(length).toBeLessThanOrEqual(value.length)
      }),
      parameters,
    )
  })

  it('reads every message prefix back', () => {
    fc.assert(
      fc.property(byteString, (prefix) => {
        const headers = ['Sec-WebSocket-Extensions', `other, grip; message-prefix=${quote(prefix)}`]
        expect(parseGripExtension(headers)).toEqual({ messagePrefix: prefix })
      }),
      parameters,
    )
  })
})

describe('instructions fuzz', () => {
  it('decodes into what the types promise, or names a fault', () => {
    fc.assert(
      fc.property(gripHeaders, noise, (headers, body) => {
        isGripResponse(headers)
        const peek = peekHold(headers)
        const source = { status: 200, reason: '', headers, body: Buffer.from(body, 'latin1') }
        const { instruct, error } = decodeInstruct(source)
        if (instruct === undefined) {
          expect(error).toBeTypeOf('string')
          return
        }
        expect(instruct.timeout).toBeGreaterThanOrEqual(5)
        expect(instruct.keepAlive?.timeout ?? 1).toBeGreaterThanOrEqual(1)
        expect(new Set(instruct.channels.map((channel) => channel.name)).size).toBe(instruct.channels.length)
        for (const { filters } of instruct.channels) expect(filters.length).toBeLessThanOrEqual(CHANNEL_FILTERS_MAX)
        for (const [name] of instruct.response.headers) expect(name).toMatch(/^(?:content-type|x-a)$/i)
        expect(instruct.response.code).toBeLessThanOrEqual(999)
        expect(peek.nextLink).toBe(instruct.nextLink !== null)
        expect(peek.hold ?? 'none').toBe(instruct.hold)
        expect(decodeStreamedHead(source)).toMatchObject({ code: instruct.response.code })
      }),
      parameters,
    )
  })

  it('decodes any JSON, and says the same of it as headers and as JSON', () => {
    const bodies = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.record({ hold: fc.jsonValue({ maxDepth: 3 }), response: fc.jsonValue({ maxDepth: 3 }) }),
    )
    fc.assert(
      fc.property(bodies, (value) => {
        const body = Buffer.from(JSON.stringify(value))
        const headers = ['Content-Type', 'application/grip-instruct']
        const decoded = decodeInstruct({ status: 200, reason: '', headers, body })
        expect(decoded.error === undefined).toBe(decoded.instruct !== undefined)
      }),
      parameters,
    )
    const channel = fc.record({ name: token, 'prev-id': token, filters: fc.array(token, { maxLength: 5 }) })
    fc.assert(
      fc.property(fc.array(channel), fc.integer({ min: 0, max: 1e6 }), (channels, timeout) => {
        const list = channels.map(({ name, filters, 'prev-id': id }) =>
          [name, `prev-id=${id}`, ...filters.map((filter) => `filter=${filter}`)].join('; '),
        )
        const written = ['Grip-Hold', 'response', 'Grip-Channel', list.join(', '), 'Grip-Timeout', String(timeout)]
        const empty = { status: 200, reason: 'OK', body: Buffer.alloc(0) }
        const body = Buffer.from(JSON.stringify({ hold: { channels, timeout } }))
        const headers = ['Content-Type', 'application/grip-instruct']
        const fromHeaders = decodeInstruct({ ...empty, headers: written })
        expect(decodeInstruct({ ...empty, headers, body })).toEqual(fromHeaders)
        expect(fromHeaders.error).toBe(undefined)
      }),
      parameters,
    )
  })

  it('takes the links that URL knows as absolute', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (uri) => isLinkUri(uri)),
      parameters,
    )
    fc.assert(
      fc.property(byteString, noise, (one, other) => {
        expect(isLinkUri(one + other)).toBeTypeOf('boolean')
      }),
      parameters,
    )
  })
})

describe('control messages fuzz', () => {
  const type = fc.constantFrom(
    ...['subscribe', 'unsubscribe', 'detach', 'session', 'set-meta', 'keep-alive', 'send-delayed', 'flush-delayed'],
  )
  const field = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.integer(),
    fc.constant(null),
    fc.constant(['a']),
  )
  const message = fc.record(
    {
      ...{ type, channel: field, filters: fc.oneof(field, fc.array(field)), id: field, name: field, value: field },
      ...{ content: field, 'content-bin': field, timeout: field, mode: field },
      'message-type': fc.oneof(field, fc.constantFrom('text', 'binary', 'ping', 'pong')),
    },
    { requiredKeys: ['type'] },
  )

  it('decodes into the type asked for with times of a second or more, or is ignored', () => {
    fc.assert(
      fc.property(message, (sent) => {
        const decoded = decodeControlMessage(Buffer.from(JSON.stringify(sent)))
        if (decoded === null) return
        expect(decoded.type).toBe(sent.type)
        if (decoded.type === 'keep-alive') expect(decoded.keepAlive?.timeout ?? 1).toBeGreaterThanOrEqual(1)
        if (decoded.type === 'send-delayed') expect(decoded.timeout).toBeGreaterThanOrEqual(1)
        if (decoded.type === 'subscribe') expect(Buffer.from(decoded.channel, 'latin1').toString()).toBe(sent.channel)
      }),
      parameters,
    )
  })

  it('never throws at damaged bytes', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), (sent, at, byte) => {
        const bytes = Buffer.from(JSON.stringify(sent))
        bytes[at % bytes.length] = byte
        decodeControlMessage(bytes)
      }),
      parameters,
    )
  })
})

describe('tokens and keys fuzz', () => {
  it('never throws and trusts nothing that is not signed', () => {
    const key = decodeVerifyingKey('secret', () => null).key
    if (key === null) throw new Error('the key is a plain secret')
    const text = fc.oneof(
      byteString,
      fc.array(token, { minLength: 3, maxLength: 3 }).map((parts) => parts.join('.')),
    )
    fc.assert(
      fc.property(text, (sent) => !verifyToken(sent, key, 0)),
      parameters,
    )
  })

  it('never throws at any key file', () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      byteString.map((text) => Buffer.from(`-----BEGIN PRIVATE KEY-----\n${text}`, 'latin1')),
    )
    fc.assert(
      fc.property(content, (bytes) => {
        const { key, fault } = decodeSigningKey('file:x', () => Buffer.from(bytes))
        expect(key === null || fault === undefined).toBe(true)
      }),
      parameters,
    )
  })
})
