import { createHmac, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Signer, decodeSigningKey, decodeVerifyingKey, signToken, verifyToken } from './jwt.js'
import type { JwtKey } from './jwt.js'

const NOW_MS = 1_700_000_000_500
const NOW_SECONDS = 1_700_000_000

const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })

const noFile = () => null
const file = (content: string | Buffer) => () => Buffer.from(content)
const pemOf = (key: KeyObject) => key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' })

function signingKey(spec: string, content?: string | Buffer): JwtKey {
  const { key, fault } = decodeSigningKey(spec, content === undefined ? noFile : file(content))
  if (key === null) throw new Error(fault ?? 'no key')
  return key
}

function verifyingKey(spec: string, content?: string | Buffer): JwtKey {
  const { key, fault } = decodeVerifyingKey(spec, content === undefined ? noFile : file(content))
  if (key === null) throw new Error(fault ?? 'no key')
  return key
}

const partsOf = (token: string) => token.split('.').map((part) => Buffer.from(part, 'base64url').toString())

/** A token with parts of our choosing, rightly signed with a secret. */
function forge(header: string, claims: string, secret: string): string {
  const text = [header, claims].map((part) => Buffer.from(part).toString('base64url')).join('.')
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

describe('keys', () => {
  it('are secrets as plain text, base64 or hex in a file', () => {
    const token = signToken({ exp: NOW_SECONDS + 60, iss: 'x' }, signingKey('sécret'))
    const base64 = Buffer.from('sécret').toString('base64')
    const hex = Buffer.from('sécret').toString('hex')
    expect(verifyToken(token, verifyingKey(`base64:${base64}`), NOW_MS)).toBe(true)
    expect(verifyToken(token, verifyingKey('file:x', `\n${hex.toUpperCase()}\n`), NOW_MS)).toBe(true)
    expect(verifyToken(token, verifyingKey('other'), NOW_MS)).toBe(false)
  })

  it.each(['', 'base64:', 'base64:!!', 'file:x'])('are no keys when they are empty: %j', (spec) => {
    expect(decodeSigningKey(spec, file('\n'))).toEqual({ key: null })
    expect(decodeVerifyingKey(spec, file(''))).toEqual({ key: null })
  })

  it('say which file cannot be used', () => {
    const other = pemOf(generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey)
    expect(decodeSigningKey('file:k.pem', noFile).fault).toBe('cannot read key file k.pem')
    expect(decodeSigningKey('file:k', file('abc')).fault).toBe('key file k is neither PEM nor hex')
    expect(decodeSigningKey('file:k', file('-----BEGIN nonsense')).fault).toContain('key file k holds no usable key')
    expect(decodeSigningKey('file:k', file(pemOf(ec.publicKey))).fault).toContain('key file k holds no usable key')
    expect(decodeSigningKey('file:k', file(other)).fault).toContain('neither an RSA key nor an EC key on P-256')
  })

  it('hand the path to the reader as it is written', () => {
    const paths: string[] = []
    decodeSigningKey('file:../a b', (path) => {
      paths.push(path)
      return null
    })
    expect(paths).toEqual(['../a b'])
  })
})

describe('signing', () => {
  it('writes header and claims in the order of Pushpin', () => {
    const [header, claims] = partsOf(signToken({ iss: 'push"pin', exp: 7 }, signingKey('k')))
    expect(header).toBe('{"typ":"JWT","alg":"HS256"}')
    expect(claims).toBe('{"exp":7,"iss":"push\\"pin"}')
  })

  it('gives the known HS256 signature', () => {
    // Computed with: printf '%s.%s' H C | openssl dgst -sha256 -hmac changeme -binary, in base64url
    expect(signToken({ exp: 1700003600, iss: 'pushpin' }, signingKey('changeme'))).toBe(
      'eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDM2MDAsImlzcyI6InB1c2hwaW4ifQ.kLqQZD5BP5GyM4rxs4s7hNTebsh6irVi0yu8Uk7hRKo',
    )
  })

  it('makes one token a second', () => {
    const signer = new Signer('pushpin', signingKey('file:k', pemOf(ec.privateKey)))
    const token = signer.token(NOW_MS)
    // An EC signature is different each time it is made.
    expect(signer.token(NOW_MS + 499)).toBe(token)
    expect(signer.token(NOW_MS + 500)).not.toBe(token)
    expect(partsOf(token)[1]).toBe(`{"exp":${NOW_SECONDS + 3600},"iss":"pushpin"}`)
  })
})

describe('verifying', () => {
  const pairs: [string, JwtKey, JwtKey][] = [
    ['HS256', signingKey('secret'), verifyingKey('secret')],
    ['ES256', signingKey('file:k', pemOf(ec.privateKey)), verifyingKey('file:k', pemOf(ec.publicKey))],
    ['RS256', signingKey('file:k', pemOf(rsa.privateKey)), verifyingKey('file:k', pemOf(rsa.publicKey))],
  ]

  it.each(pairs)('accepts %s and nothing changed or cut', (algorithm, signing, verifying) => {
    const token = signToken({ exp: NOW_SECONDS + 60, iss: 'x' }, signing)
    expect(signing.algorithm).toBe(algorithm)
    expect(partsOf(token)[0]).toBe(`{"typ":"JWT","alg":"${algorithm}"}`)
    expect(verifyToken(token, verifying, NOW_MS)).toBe(true)
    for (let size = 0; size < token.length; size += 7) {
      expect(verifyToken(token.slice(0, size), verifying, NOW_MS)).toBe(false)
    }
    // Every eighth char: each carries whole bits of header, claims or signature.
    for (let at = 0; at < token.length - 1; at += 8) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
      expect(verifyToken(changed, verifying, NOW_MS)).toBe(false)
    }
  })

  it.each(pairs)('refuses %s with the other keys', (_, signing, verifying) => {
    const token = signToken({ exp: NOW_SECONDS + 60, iss: 'x' }, signing)
    for (const [, , other] of pairs) expect(verifyToken(token, other, NOW_MS)).toBe(other === verifying)
  })

  it('accepts with a private key what it has signed', () => {
    const token = signToken({ exp: NOW_SECONDS + 60, iss: 'x' }, signingKey('file:k', pemOf(ec.privateKey)))
    expect(verifyToken(token, verifyingKey('file:k', pemOf(ec.privateKey)), NOW_MS)).toBe(true)
  })

  it('wants exp to lie ahead', () => {
    const key = signingKey('secret')
    expect(verifyToken(signToken({ exp: NOW_SECONDS + 1, iss: '' }, key), key, NOW_MS)).toBe(true)
    expect(verifyToken(signToken({ exp: NOW_SECONDS, iss: '' }, key), key, NOW_MS)).toBe(false)
    expect(verifyToken(signToken({ exp: 0, iss: '' }, key), key, -5_000)).toBe(false)
  })

  it.each(['', '.', '..', 'a.b', 'a.b.c.d', 'a.b.c', 'ä.b.c', ' a.b.c', 'e30.e30.e30'])('refuses %j', (token) => {
    expect(verifyToken(token, verifyingKey('secret'), NOW_MS)).toBe(false)
  })

  it('judges header and claims of what is rightly signed', () => {
    const isGood = (header: string, claims: string) =>
      verifyToken(forge(header, claims, 'secret'), verifyingKey('secret'), NOW_MS)
    const claims = `{"exp":${NOW_SECONDS + 60}}`
    expect(isGood('{"alg":"HS256"}', claims)).toBe(true)
    for (const header of ['{"alg":"none"}', '{"alg":"RS256"}', '{"alg":"hs256"}', '{}', '[]', 'x']) {
      expect(isGood(header, claims)).toBe(false)
    }
    for (const wrong of ['{}', '[]', 'x', '{"exp":"9999999999"}', '{"exp":null}', '{"exp":true}', '{"exp":-1}']) {
      expect(isGood('{"alg":"HS256"}', wrong)).toBe(false)
    }
  })
})
