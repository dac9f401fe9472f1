/**
 * Grip-Sig: JSON Web Tokens that say "this request came through a GRIP proxy" (GRIP reference: Grip-Sig; RFC 7519).
 *
 * A key is written as plain text, as `base64:` data, or as `file:` path of a PEM (EC: ES256, RSA: RS256) or of hex
 * digits; everything but a PEM is an HS256 secret. An empty secret, however written, is no key: otherwise everybody
 * could sign.
 */
import { Buffer } from 'node:buffer'
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { bytesOfBase64, parseJsonBytes } from './json-text.js'
import { isJsonObject, jsonMember } from './json-values.js'

export const JwtAlgorithm = { HS256: 'HS256', ES256: 'ES256', RS256: 'RS256' } as const
export type JwtAlgorithm = (typeof JwtAlgorithm)[keyof typeof JwtAlgorithm]

export interface JwtKey {
  readonly algorithm: JwtAlgorithm
  readonly key: KeyObject
}

/** key null: none wanted. `fault`: a sentence for the log; there is no key then either. */
export type JwtKeyDecoded =
  { readonly key: JwtKey | null; readonly fault?: undefined } | { readonly key: null; readonly fault: string }

/** Gives the content of a file that a key spec names (as written there), or null when it cannot be read. */
export type KeyFileReader = (path: string) => Buffer | null

/** Seconds a token holds. */
const TOKEN_LIFETIME = 3600

/** Decodes the key that requests to backends are signed with. Never throws. */
export function decodeSigningKey(spec: string, readFile: KeyFileReader): JwtKeyDecoded {
  return decodeKey(spec, readFile, createPrivateKey)
}

/** Decodes the key that incoming Grip-Sig is verified with. A private PEM serves too. Never throws. */
export function decodeVerifyingKey(spec: string, readFile: KeyFileReader): JwtKeyDecoded {
  return decodeKey(spec, readFile, createPublicKey)
}

/**
 * Makes the tokens of one issuer and key. A token changes once a second only, so that a signature is not computed
 * for every request.
 */
export class Signer {
  readonly #iss: string
  readonly #key: JwtKey
  #seconds = Number.NaN
  #token = ''

  /** `iss` is text. */
  constructor(iss: string, key: JwtKey) {
    this.#iss = iss
    this.#key = key
  }

  /** The token for a request made now. `epochMs`: wall clock. */
  token(epochMs: number): string {
    const seconds = Math.floor(epochMs / 1000)
    if (seconds !== this.#seconds) {
      this.#token = signToken({ exp: seconds + TOKEN_LIFETIME, iss: this.#iss }, this.#key)
      this.#seconds = seconds
    }
    return this.#token
  }
}

/** Signs claims; members go out in the order given. */
export function signToken(claims: { readonly exp: number; readonly iss: string }, key: JwtKey): string {
  const text = `${encodePart({ typ: 'JWT', alg: key.algorithm })}.${encodePart({ exp: claims.exp, iss: claims.iss })}`
  return `${text}.${signatureOf(text, key).toString('base64url')}`
}

/** Whether a token is signed with this key and not expired. Its algorithm must be the key's. Never throws. */
export function verifyToken(token: string, key: JwtKey, epochMs: number): boolean {
  const parts = TOKEN.exec(token)
  if (parts === null) return false
  const [, header = '', claims = '', signature = ''] = parts
  if (decodePart(header, 'alg') !== key.algorithm) return false
  if (!isSignature(`${header}.${claims}`, Buffer.from(signature, 'base64url'), key)) return false
  const exp = decodePart(claims, 'exp')
  return typeof exp === 'number' && exp > 0 && exp > Math.floor(epochMs / 1000)
}

const TOKEN = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/
const PEM_START = '-----BEGIN'

function decodeKey(spec: string, readFile: KeyFileReader, createPemKey: (pem: Buffer) => KeyObject): JwtKeyDecoded {
  if (!spec.startsWith('file:')) {
    return secretKey(spec.startsWith('base64:') ? bytesOfBase64(spec.slice(7)) : Buffer.from(spec, 'utf8'))
  }
  const path = spec.slice(5)
  const content = readFile(path)
  if (content === null) return { key: null, fault: `cannot read key file ${path}` }
  if (content.toString('latin1', 0, PEM_START.length) === PEM_START) return pemKey(content, path, createPemKey)
  const digits = content.toString('latin1').replace(/\s+/g, '')
  if (!/^(?:[0-9A-Fa-f]{2})*$/.test(digits)) return { key: null, fault: `key file ${path} is neither PEM nor hex` }
  return secretKey(Buffer.from(digits, 'hex'))
}

function secretKey(secret: Buffer): JwtKeyDecoded {
  if (secret.length === 0) return { key: null }
  return { key: { algorithm: JwtAlgorithm.HS256, key: createSecretKey(secret) } }
}

function pemKey(pem: Buffer, path: string, createPemKey: (pem: Buffer) => KeyObject): JwtKeyDecoded {
  let key: KeyObject
  try {
    key = createPemKey(pem)
  } catch (error) {
    return { key: null, fault: `key file ${path} holds no usable key: ${(error as Error).message}` }
  }
  if (key.asymmetricKeyType === 'rsa') return { key: { algorithm: JwtAlgorithm.RS256, key } }
  // ES256 is this curve and no other (RFC 7518 §3.4).
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') {
    return { key: { algorithm: JwtAlgorithm.ES256, key } }
  }
  return { key: null, fault: `key file ${path} holds neither an RSA key nor an EC key on P-256` }
}

function signatureOf(text: string, { algorithm, key }: JwtKey): Buffer {
  if (algorithm === JwtAlgorithm.HS256) return createHmac('sha256', key).update(text).digest()
  return sign('sha256', Buffer.from(text, 'latin1'), { key, dsaEncoding: 'ieee-p1363' })
}

function isSignature(text: string, signature: Buffer, jwtKey: JwtKey): boolean {
  if (jwtKey.algorithm === JwtAlgorithm.HS256) {
    const expected = signatureOf(text, jwtKey)
    return expected.length === signature.length && timingSafeEqual(expected, signature)
  }
  return verify('sha256', Buffer.from(text, 'latin1'), { key: jwtKey.key, dsaEncoding: 'ieee-p1363' }, signature)
}

function encodePart(value: Readonly<Record<string, string | number>>): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}

/** A member of the JSON object that a part of a token holds. */
function decodePart(part: string, member: string): unknown {
  const object = parseJsonBytes(Buffer.from(part, 'base64url'))
  return isJsonObject(object) ? jsonMember(object, member) : undefined
}
