import { describe, expect, it } from 'vitest'
import { encodeTnetstring, type TnInput } from './tnetstring.js'
import { decodeZrpcRequest, encodeZrpcReply, type ZrpcReply, type ZrpcValue } from './zrpc.js'

const tn = (fields: Readonly<Record<string, TnInput>>): Buffer => encodeTnetstring(new Map(Object.entries(fields)))
const text = (bytes: string): Buffer => Buffer.from(bytes, 'latin1')

describe('requests', () => {
  it('reads a tnetstring dictionary', () => {
    const args = new Map([['cid', 'a']])
    expect(decodeZrpcRequest(tn({ id: '1', from: 'me', method: 'refresh', args }))).toEqual({
      form: 'tnetstring',
      id: '1',
      method: 'refresh',
      args: new Map([['cid', Buffer.from('a')]]),
    })
  })

  it('needs nothing but a method', () => {
    expect(decodeZrpcRequest(tn({ method: 'recover' }))).toEqual({
      form: 'tnetstring',
      id: '',
      method: 'recover',
      args: {},
    })
  })

  it('ignores what follows a tnetstring', () => {
    expect(decodeZrpcRequest(Buffer.concat([tn({ method: 'x' }), text('zzz')]))).toMatchObject({ method: 'x' })
  })

  it('keeps the bytes of an id', () => {
    expect(decodeZrpcRequest(tn({ id: Buffer.from([0, 0xff]), method: 'x' }))).toMatchObject({ id: '\0\xff' })
  })

  it.each([
    ['{"id":"ü","method":"refresh","args":{"cid":"a"}}', 'json'],
    ['J{"id":"ü","method":"refresh","args":{"cid":"a"}}', 'j-json'],
  ])('reads JSON: %s', (json, form) => {
    const request = { form, id: '\xc3\xbc', method: 'refresh', args: { cid: 'a' } }
    expect(decodeZrpcRequest(Buffer.from(json))).toEqual(request)
  })

  it.each([
    ['nothing', text(''), '', 'request is not a tnetstring (truncated at byte 0)'],
    ['a tnetstring cut off', text('5:abc'), '', 'request is not a tnetstring (truncated at byte 5)'],
    [
      'a tnetstring with T',
      Buffer.concat([text('T'), tn({ method: 'x' })]),
      '',
      'request is not a tnetstring (length at byte 0)',
    ],
    ['no dictionary', text('1:x,'), '', 'request is not a dictionary'],
    ['no method', tn({ id: '1' }), '1', "request does not contain 'method'"],
    ['a method that is a number', tn({ id: '1', method: 1 }), '1', "request contains 'method' with wrong type"],
    ['an id that is null', tn({ id: null, method: 'x' }), '', "request contains 'id' with wrong type"],
    ['a from that is a number', tn({ id: '1', from: 1, method: 'x' }), '1', "request contains 'from' with wrong type"],
    ['args that are a list', tn({ id: '1', method: 'x', args: [] }), '1', "request contains 'args' with wrong type"],
    ['args that are null', tn({ id: '1', method: 'x', args: null }), '1', "request contains 'args' with wrong type"],
    ['JSON cut off', text('{"id":"1"'), '', 'request is not valid JSON'],
    ['a JSON list', text('J[]'), '', 'request is not an object'],
    ['an inherited name', text('{"id":"1","__proto__":{"method":"x"}}'), '1', "request does not contain 'method'"],
  ])('says what is wrong: %s', (_, bytes, id, fault) => {
    expect(decodeZrpcRequest(bytes)).toMatchObject({ id, fault: `Invalid format: ${fault}` })
  })
})

describe('replies', () => {
  const tnetstring = (reply: ZrpcReply, id = 'a'): string =>
    encodeZrpcReply(reply, { form: 'tnetstring', id }).toString('latin1')
  const json = (reply: ZrpcReply, id = 'a', form: 'json' | 'j-json' = 'json'): string =>
    encodeZrpcReply(reply, { form, id }).toString()
  const done = (value: ZrpcValue): ZrpcReply => ({ success: true, value })

  it.each([
    ['null', done(null), '37:2:id,1:a,7:success,4:true!5:value,0:~}'],
    ['a list', done(['x']), '41:2:id,1:a,7:success,4:true!5:value,4:1:x,]}'],
    ['a map', done(new Map([['k', 'v']])), '45:2:id,1:a,7:success,4:true!5:value,8:1:k,1:v,}}'],
    [
      'an error',
      { success: false, condition: 'timeout' } as const,
      '49:2:id,1:a,7:success,5:false!9:condition,7:timeout,}',
    ],
    [
      'an error with its value',
      { success: false, condition: 'c', value: 'v' } as const,
      '55:2:id,1:a,7:success,5:false!5:value,1:v,9:condition,1:c,}',
    ],
  ])('as Pushpin writes them: %s', (_, reply, bytes) => {
    expect(tnetstring(reply)).toBe(bytes)
  })

  it('leaves out an empty id', () => {
    expect(tnetstring(done(null), '')).toBe('28:7:success,4:true!5:value,0:~}')
  })

  it('answers JSON with JSON, and J with J', () => {
    expect(json(done(['\xc3\xbc']), '\xc3\xbc')).toBe('{"id":"ü","success":true,"value":["ü"]}')
    expect(json(done(new Map([['k', '\xc3\xbc']])), '', 'j-json')).toBe('J{"success":true,"value":{"k":"ü"}}')
    expect(json({ success: false, condition: 'timeout' })).toBe('{"id":"a","success":false,"condition":"timeout"}')
  })
})
