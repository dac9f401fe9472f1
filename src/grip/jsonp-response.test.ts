import { describe, expect, test } from 'vitest'
import { heldJsonpScript, jsonpScript, JsonpScript } from './jsonp-response.js'

const EXTENDED = { callback: 'cb', isExtended: true }
const BASIC = { callback: 'cb', isExtended: false }
const OK = { status: 200, reason: 'OK', headers: [] }

const text = (bytes: Buffer): string => bytes.toString('latin1')
const whole = (call: typeof BASIC, body: string): string => text(jsonpScript(call, OK, Buffer.from(body, 'latin1')))

describe('a script in pieces says the same as one at once', () => {
  const bodies = [
    '',
    '\n',
    '\r\n',
    '\r',
    '\n\n',
    '\r\n\r\n',
    'a\rb\n',
    'a\r\n\n',
    'x\r',
    '\xe2\x82\xac\n',
    '\xf0\x9f\x98',
    '"\\\n\r\n',
  ]
  test.each(bodies)('%j', (body) => {
    for (const call of [EXTENDED, BASIC]) {
      const expected = whole(call, body)
      for (let first = 0; first <= body.length; first++) {
        for (let second = first; second <= body.length; second++) {
          const script = new JsonpScript(call)
          const pieces = [body.slice(0, first), body.slice(first, second), body.slice(second)]
          const written = pieces.map((piece) => script.body(Buffer.from(piece, 'latin1')))
          const all = Buffer.concat([script.start(OK), ...written, script.end()])
          expect(text(all)).toBe(expected)
        }
      }
    }
  })
})

test.each([
  ['x', 'x'],
  ['x\n', 'x'],
  ['x\r\n', 'x'],
  ['x\r', 'x\r'],
  ['x\n\n', 'x\n'],
  ['x\n\r\n', 'x\n'],
  ['x\r\r\n', 'x\r'],
  ['\n', ''],
])('basic mode takes one line break off %j', (body, expected) => {
  expect(whole(BASIC, body)).toBe(`/**/cb(${expected});\n`)
  expect(text(heldJsonpScript(BASIC, OK, Buffer.from(body)))).toBe(`/**/cb(${expected});\n`)
})

test('an extended script is JSON for every body', () => {
  const body = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256))
  for (const script of [jsonpScript(EXTENDED, OK, body), heldJsonpScript(EXTENDED, OK, body)]) {
    const json = /^\/\*\*\/cb\((.*)\);\n$/s.exec(script.toString())?.[1] ?? ''
    expect((JSON.parse(json) as { body: string }).body).toBe(body.toString('utf8'))
  }
})

test('headers: the first of each name in a relayed answer, all of them in a held one', () => {
  const head = { status: 404, reason: 'N\xc3\xa9', headers: ['b', '1', 'B', '2', 'a', '"', 'b', '3', '__proto__', 'p'] }
  expect(jsonpScript(EXTENDED, head, Buffer.from('x')).toString()).toBe(
    '/**/cb({"code": 404, "reason": "Né", "headers": {"B":"2","__proto__":"p","a":"\\"","b":"1"}, "body": "x"});\n',
  )
  expect(heldJsonpScript(EXTENDED, head, Buffer.from('x')).toString()).toBe(
    '/**/cb({"body":"x","code":404,"headers":{"__proto__":"p","a":"\\"","b":"1, 2, 3"},"reason":"Né"});\n',
  )
})
