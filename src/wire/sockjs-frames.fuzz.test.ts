/** Any bytes are messages or refused; any message survives its frame. */
import { expect, test } from 'vitest'
import { Prng } from '../base/prng.js'
import { decodeSockJsMessages, sockJsClose, sockJsMessages, sockJsString } from './sockjs-frames.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
console.log(`FUZZ_SEED=${seed}`)

test('what a client sends is a list of messages or nothing', () => {
  const prng = new Prng(seed)
  const pieces = [
    '[',
    ']',
    '"',
    '"',
    ',',
    'a',
    '\\',
    '\\u00e9',
    '1',
    '{',
    '}',
    'null',
    '\xff',
    '\xc3\xa9',
    '\n',
    ' ',
    '\0',
  ]
  let good = 0
  for (let round = 0; round < 20_000; round++) {
    let text = prng.happens(0.5) ? '["' : ''
    for (let count = prng.below(8); count > 0; count--) text += prng.pick(pieces)
    if (prng.happens(0.5)) text += '"]'
    const messages = decodeSockJsMessages(Buffer.from(text, 'latin1'))
    if (messages === null) continue
    good++
    expect(messages.every((message) => Buffer.isBuffer(message))).toBe(true)
  }
  expect(good).toBeGreaterThan(100)
})

test('any bytes come out of their frame as text', () => {
  const prng = new Prng(seed + 1)
  for (let round = 0; round < 2000; round++) {
    const contents = Array.from({ length: prng.below(4) }, () =>
      Buffer.from(Array.from({ length: prng.below(20) }, () => prng.below(256))),
    )
    const frame = sockJsMessages(contents.map(sockJsString))
    expect(JSON.parse(frame.slice(1))).toEqual(contents.map((content) => content.toString('utf8')))
    const reason = Buffer.from('é"\n').toString('latin1')
    expect(JSON.parse(sockJsClose(prng.below(5000), reason).slice(1)).at(1)).toBe('é"\n')
  }
})
