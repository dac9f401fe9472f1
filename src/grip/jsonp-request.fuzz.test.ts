/** Any query makes an ordinary request, a fault, or a request whose head can be sent. */
import { expect, test } from 'vitest'
import { Prng } from '../base/prng.js'
import { encodePath } from '../routing/path.js'
import { type JsonpRules, readJsonp } from './jsonp-request.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
console.log(`FUZZ_SEED=${seed}`)

const PIECES = [
  ...['callback', '_method', '_headers', '_body', 'data', '=', '=', '=', '&', '&', '&', '#', '?', '%', '%2', '%00'],
  ...[
    '%0d%0a',
    '%22',
    '%7B',
    '%7D',
    '%5B',
    '%5D',
    '%3D',
    '%26',
    ':',
    ',',
    '"',
    '{',
    '}',
    'a',
    'PUT',
    '%C3%A9',
    '\xff',
    ' ',
  ],
  ...['%7B%22a%22:%22b%22%7D', '%7B%22a%22:%22%5Cr%5Cn%22%7D', '%7B%22content-length%22:%229%22%7D'],
]

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
// eslint-disable-next-line no-control-regex -- what must not go out
const VALUE = /^[^\x00-\x08\x0a-\x1f\x7f]*$/

test('what goes to the backend is a head', () => {
  const prng = new Prng(seed)
  const counts = { none: 0, fault: 0, call: 0 }
  for (let round = 0; round < 20_000; round++) {
    let query = prng.happens(0.7) ? 'callback=f&' : ''
    for (let count = prng.below(12); count > 0; count--) query += prng.pick(PIECES)
    const path = encodePath(`/p?${query}`)
    const rules: JsonpRules = {
      jsonpMode: prng.pick(['basic', 'extended']),
      jsonpCallback: prng.pick([null, 'data']),
      jsonpBody: prng.pick([null, 'data', '_body']),
      jsonpDefaultCallback: prng.pick([null, 'f']),
      jsonpDefaultMethod: prng.pick([null, 'PATCH']),
    }
    const head = { method: 'GET', path, headers: ['host', 'h', 'content-length', '3'], peerAddress: '', ssl: false }
    const read = readJsonp(head, path, rules)
    counts[read?.kind ?? 'none']++
    if (read?.kind !== 'call') continue
    const { method, headers, path: sent } = read.head
    const named = headers.filter((_, index) => index % 2 === 0)
    const isGood =
      TOKEN.test(method) &&
      read.call.callback !== '' &&
      sent.startsWith('/p') &&
      encodePath(sent) === sent &&
      named.every((name) => TOKEN.test(name) && name === name.toLowerCase()) &&
      headers.every((text) => VALUE.test(text)) &&
      named.filter((name) => name === 'content-length').length === 1 &&
      (read.body.length === 0 || headers.at(-1) === String(read.body.length))
    if (!isGood) expect({ query, rules, read }).toBeNull()
  }
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(100)
})
