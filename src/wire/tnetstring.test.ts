import { describe, expect, it } from 'vitest'
import { TN_DEPTH_MAX, TnFault, TnFloat, decodeTnetstring, encodeTnetstring } from './tnetstring.js'
import type { TnInput, TnValue } from './tnetstring.js'

function decodeText(text: string, offset = 0) {
  return decodeTnetstring(Buffer.from(text, 'latin1'), offset)
}

function valueOf(text: string): TnValue {
  const decoded = decodeText(text)
  if (!decoded.ok) throw new Error(`${decoded.fault} at ${decoded.at}`)
  return decoded.value
}

function textOf(value: TnInput): string {
  return encodeTnetstring(value).toString('latin1')
}

describe('decoding', () => {
  it('knows every type', () => {
    expect(valueOf('5:hello,')).toEqual(Buffer.from('hello'))
    expect(valueOf('0:,')).toEqual(Buffer.alloc(0))
    expect(valueOf('2:42#')).toBe(42)
    expect(valueOf('3:-17#')).toBe(-17)
    expect(valueOf('3:2.5^')).toBe(2.5)
    expect(valueOf('5:1e+06^')).toBe(1_000_000)
    expect(valueOf('4:true!')).toBe(true)
    expect(valueOf('5:false!')).toBe(false)
    expect(valueOf('0:~')).toBe(null)
    expect(valueOf('0:]')).toEqual([])
    expect(valueOf('9:1:a,2:42#]')).toEqual([Buffer.from('a'), 42])
    expect(valueOf('0:}')).toEqual(new Map())
    expect(valueOf('9:1:a,2:42#}')).toEqual(new Map([['a', 42]]))
  })

  it('keeps the bytes of keys and payloads that are not UTF-8', () => {
    expect(valueOf('7:1:\xff,0:,}')).toEqual(new Map([['\xff', Buffer.alloc(0)]]))
    expect(valueOf('2:\x00\xfe,')).toEqual(Buffer.from([0, 0xfe]))
  })

  it('leaves what follows to the caller', () => {
    expect(decodeText('x1:a,rest', 1)).toEqual({ ok: true, value: Buffer.from('a'), end: 5 })
  })

  it('hands out views instead of copies', () => {
    const bytes = Buffer.from('1:a,')
    const decoded = decodeTnetstring(bytes)
    bytes[2] = 0x62
    expect(decoded).toMatchObject({ value: Buffer.from('b') })
  })

  it('takes blanks and a sign around numbers, a null with content and the last of two equal keys', () => {
    expect(valueOf('4: +7 #')).toBe(7)
    expect(Object.is(valueOf('2:-0#'), 0)).toBe(true)
    expect(valueOf('2:xx~')).toBe(null)
    expect(valueOf('16:1:a,1:1#1:a,1:2#}')).toEqual(new Map([['a', 2]]))
  })

  it.each([
    ['', TnFault.Truncated, 0],
    ['5', TnFault.Truncated, 1],
    ['5:hell', TnFault.Truncated, 6],
    ['5:hello', TnFault.Truncated, 7],
    ['9999999999:x', TnFault.Truncated, 12],
    [':,', TnFault.Length, 0],
    ['-1:,', TnFault.Length, 0],
    ['5x:hello,', TnFault.Length, 1],
    ['10000000000:x', TnFault.Length, 10],
    ['1:a?', TnFault.Type, 3],
    ['4:2:a,]', TnFault.Overrun, 6],
    ['1:2]', TnFault.Overrun, 3],
    ['5:1:1#1}', TnFault.Key, 5],
    ['4:1:a,}', TnFault.KeyAlone, 6],
    ['1:x#', TnFault.Integer, 2],
    ['0:#', TnFault.Integer, 2],
    ['3:7.0#', TnFault.Integer, 2],
    ['3:0x7#', TnFault.Integer, 2],
    ['16:9007199254740992#', TnFault.Integer, 3],
    ['20:99999999999999999999#', TnFault.Integer, 3],
    ['3:nan^', TnFault.Float, 2],
    ['3:inf^', TnFault.Float, 2],
    ['5:1e999^', TnFault.Float, 2],
    ['0:^', TnFault.Float, 2],
    ['4:TRUE!', TnFault.Bool, 2],
    ['0:!', TnFault.Bool, 2],
  ])('refuses %j: %s at %i', (text, fault, at) => {
    expect(decodeText(text)).toEqual({ ok: false, fault, at })
  })

  it('refuses nesting without end before the stack ends', () => {
    let nested: Buffer = Buffer.from('0:]')
    for (let level = 1; level < TN_DEPTH_MAX; level++) nested = wrapped(nested)
    expect(decodeTnetstring(nested).ok).toBe(true)
    expect(decodeTnetstring(wrapped(nested))).toMatchObject({ ok: false, fault: TnFault.Depth })
    for (let level = 0; level < 10_000; level++) nested = wrapped(nested)
    expect(decodeTnetstring(nested)).toMatchObject({ ok: false, fault: TnFault.Depth })
  })

  it('refuses every prefix as truncated at its end', () => {
    const whole = encodeTnetstring(new Map<string, TnInput>([['list', [1, true, null, 'x', new Map([['k', 2.5]])]]]))
    for (let size = 0; size < whole.length; size++) {
      const cut = decodeTnetstring(whole.subarray(0, size))
      expect(cut).toEqual({ ok: false, fault: TnFault.Truncated, at: size })
    }
  })
})

describe('encoding', () => {
  it('writes every type', () => {
    expect(textOf('h\xffi')).toBe('3:h\xffi,')
    expect(textOf(Buffer.from('hello'))).toBe('5:hello,')
    expect(textOf(new Uint8Array([1]))).toBe('1:\x01,')
    expect(textOf(42)).toBe('2:42#')
    expect(textOf(-0)).toBe('1:0#')
    expect(textOf(true)).toBe('4:true!')
    expect(textOf(null)).toBe('0:~')
    expect(textOf([])).toBe('0:]')
    expect(textOf(['a', 42])).toBe('9:1:a,2:42#]')
    expect(textOf(new Map<string, TnInput>([['a', [42]]]))).toBe('12:1:a,5:2:42#]}')
  })

  it.each([
    [1, '1'],
    [0, '0'],
    [-0.5, '-0.5'],
    [0.1, '0.1'],
    [123.456789, '123.457'],
    [999_999, '999999'],
    [999_999.9, '1e+06'],
    [1_234_567, '1.23457e+06'],
    [0.0001, '0.0001'],
    [0.000012345, '1.2345e-05'],
    [1e100, '1e+100'],
    [100, '100'],
  ])('writes the float %d with six significant digits', (value, text) => {
    expect(textOf(new TnFloat(value))).toBe(`${text.length}:${text}^`)
  })

  it('writes numbers that are no exact integers as floats', () => {
    expect(textOf(1.5)).toBe('3:1.5^')
    expect(textOf(2 ** 53)).toBe('10:9.0072e+15^')
  })
})

function wrapped(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(']')])
}
