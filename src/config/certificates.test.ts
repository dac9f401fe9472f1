import { describe, expect, test } from 'vitest'
import { CLIENT_CERT, DEFAULT_FILES, ENCRYPTED_KEY, NAMED_FILES, WILD_FILES } from '../testing/tls-files.js'
import { findCertificates } from './certificates.js'
import type { FoundCertificates } from './certificates.js'

const FOLDER = '/certs'
const PORT = { host: '0.0.0.0', port: 443 }

function find(files: Record<string, string>, ports = [PORT]): FoundCertificates {
  return findCertificates(FOLDER, ports, {
    list: () => Object.keys(files),
    readFile: (path) => {
      const text = files[path.slice(FOLDER.length + 1)]
      if (text === undefined) throw new Error(`ENOENT: ${path}`)
      return text
    },
  })
}

function pathsOf(stem: string): { cert: string; key: string } {
  return { cert: `${FOLDER}/${stem}.crt`, key: `${FOLDER}/${stem}.key` }
}

const GOOD = { 'default_443.crt': DEFAULT_FILES.cert, 'default_443.key': DEFAULT_FILES.key }
const NAMED = { 'www.named.test.crt': NAMED_FILES.cert, 'www.named.test.key': NAMED_FILES.key }

describe('what a port shows', () => {
  test('the default of the port, names, and wildcards', () => {
    const wild = { '_.wild.test.crt': WILD_FILES.cert, '_.wild.test.key': WILD_FILES.key, README: 'read me' }
    const found = find({ ...NAMED, ...wild, ...GOOD })
    expect([found.faults, found.warnings, found.notices]).toEqual([[], [], []])
    expect(found.certificates).toEqual({
      ports: [{ address: PORT, fallback: pathsOf('default_443') }],
      names: [
        { host: '*.wild.test', files: pathsOf('_.wild.test') },
        { host: 'www.named.test', files: pathsOf('www.named.test') },
      ],
    })
  })

  test('the default of another port is nobody’s business', () => {
    const found = find({ ...GOOD, 'default_8443.crt': 'no certificate' })
    expect([found.faults, found.warnings]).toEqual([[], []])
  })

  test('a chain: the key belongs to the first certificate', () => {
    expect(find({ ...GOOD, 'default_443.crt': DEFAULT_FILES.cert + CLIENT_CERT }).faults).toEqual([])
    expect(find({ ...GOOD, 'default_443.crt': CLIENT_CERT + DEFAULT_FILES.cert }).faults).toEqual([
      '/certs/default_443.key is not the key of /certs/default_443.crt',
    ])
  })

  test('without a default, names serve those who ask for them, and a notice says so', () => {
    const found = find(NAMED)
    expect(found.faults).toEqual([])
    expect(found.certificates.ports).toEqual([{ address: PORT, fallback: null }])
    expect(found.notices).toEqual([
      'no certificate for port 443: clients of hosts without one are refused; /certs/default_443.crt would serve them',
    ])
  })

  test('nothing is looked at when no port wants it', () => {
    const found = findCertificates(FOLDER, [], {
      list: () => {
        throw new Error('asked')
      },
      readFile: () => '',
    })
    expect([found.faults, found.certificates]).toEqual([[], { ports: [], names: [] }])
  })
})

describe('faults', () => {
  test.each<[string, Record<string, string>, string]>([
    ['no certificate at all', {}, 'no certificate for port 443: expecting /certs/default_443.crt and its .key'],
    [
      'no key',
      { 'default_443.crt': DEFAULT_FILES.cert },
      'certificate default_443 cannot be used: ENOENT: /certs/default_443.key',
    ],
    ['no PEM', { ...GOOD, 'default_443.crt': 'what?' }, '/certs/default_443.crt holds no certificate in PEM form'],
    [
      'a damaged certificate of the chain',
      {
        ...GOOD,
        'default_443.crt': `${DEFAULT_FILES.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      },
      '/certs/default_443.crt holds no certificate in PEM form',
    ],
    [
      'no key in the key file',
      { ...GOOD, 'default_443.key': DEFAULT_FILES.cert },
      '/certs/default_443.key holds no private key in PEM form',
    ],
    [
      'a key with a passphrase',
      { ...GOOD, 'default_443.key': ENCRYPTED_KEY },
      '/certs/default_443.key is encrypted: there is no place for its passphrase, so store it without one',
    ],
    [
      'the key of another certificate',
      { ...GOOD, 'default_443.key': NAMED_FILES.key },
      '/certs/default_443.key is not the key of /certs/default_443.crt',
    ],
  ])('%s', (_situation, files, fault) => {
    const found = find(files)
    expect(found.faults).toEqual([fault])
    expect(found.certificates.ports).toEqual([{ address: PORT, fallback: null }])
  })

  test('a folder that cannot be read', () => {
    const found = findCertificates(FOLDER, [PORT], {
      list: () => {
        throw new Error('ENOENT: /certs')
      },
      readFile: () => '',
    })
    expect(found.faults).toEqual(['cannot read the folder of certificates: ENOENT: /certs'])
  })

  test('a broken certificate of one name does not stop the others', () => {
    const found = find({ ...GOOD, 'a.test.crt': 'what?', 'a.test.key': '', 'B.test.crt': NAMED_FILES.cert })
    expect(found.faults).toEqual([])
    expect(found.warnings).toEqual([
      '/certs/B.test.crt is never used: write its name in lower case',
      '/certs/a.test.crt holds no certificate in PEM form',
    ])
    expect(found.certificates.names).toEqual([])
  })
})

test('the fingerprint tells whether any file has changed', () => {
  const before = find({ ...GOOD, ...NAMED }).fingerprint
  expect(find({ ...NAMED, ...GOOD, README: 'x' }).fingerprint).toBe(before)
  expect(find(GOOD).fingerprint).not.toBe(before)
  expect(find({ ...GOOD, ...NAMED, 'default_443.key': ENCRYPTED_KEY }).fingerprint).not.toBe(before)
})
