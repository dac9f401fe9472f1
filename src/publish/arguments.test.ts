import { describe, expect, it } from 'vitest'
import { helpText, parsePublishArguments, type PublishArguments } from './arguments.js'

function parsed(...argv: string[]): PublishArguments {
  const result = parsePublishArguments(argv, undefined)
  if (result.kind !== 'publish') throw new Error(JSON.stringify(result))
  return result.arguments
}

function faultOf(...argv: string[]): string {
  const result = parsePublishArguments(argv, undefined)
  return result.kind === 'fault' ? result.text : JSON.stringify(result)
}

it('a channel and content are enough', () => {
  expect(parsed('chan', 'hi')).toEqual({
    channel: 'chan',
    content: 'hi',
    action: 'send',
    isPatch: false,
    code: 200,
    headers: [],
    meta: [],
    id: '',
    prevId: '',
    sender: '',
    noSeq: false,
    lineEnd: true,
    spec: 'http://localhost:5561',
    authorization: null,
  })
})

it('every flag has its place', () => {
  const flags = ['--id=1', '--prev-id', '0', '--sender=me', '--code=404', '--no-seq', '--no-eol', '--patch', '--spec=s']
  expect(parsed('chan', '[]', ...flags, '-H', 'A: b', '--header=c:d', '-Ma=b', '--meta', 'c= d ', '-u', 'a:b')).toEqual(
    {
      channel: 'chan',
      content: '[]',
      action: 'send',
      isPatch: true,
      code: 404,
      headers: [
        ['A', 'b'],
        ['c', 'd'],
      ],
      meta: [
        ['a', 'b'],
        ['c', 'd'],
      ],
      id: '1',
      prevId: '0',
      sender: 'me',
      noSeq: true,
      lineEnd: false,
      spec: 's',
      authorization: 'Basic YTpi',
    },
  )
})

describe('as pushpin-publish takes them', () => {
  it('hint wins over close, and neither needs content', () => {
    expect(parsed('chan', '--hint', '--close')).toMatchObject({ action: 'hint', content: null })
    expect(parsed('chan', '--close', '--code=1000')).toMatchObject({ action: 'close' })
  })

  it('GRIP_URL is where to publish, unless --spec says something else', () => {
    const at = (...argv: string[]): unknown => parsePublishArguments(argv, 'http://grip.test')
    expect(at('chan', 'hi')).toMatchObject({ arguments: { spec: 'http://grip.test' } })
    expect(at('chan', 'hi', '--spec=')).toMatchObject({ arguments: { spec: '' } })
  })

  it('flags end at --', () => {
    expect(parsed('--', '-chan', '--hint')).toMatchObject({ channel: '-chan', content: '--hint', action: 'send' })
  })

  it('an equals sign behind a short flag is no part of its value, one in front of a value is', () => {
    expect(parsed('chan', 'hi', '-H=A: b', '-M', '=x')).toMatchObject({ headers: [['A', 'b']], meta: [['', 'x']] })
  })

  it('bearer authentication is that of Pushpin 2.0', () => {
    expect(parsed('chan', 'hi', '-B', 'token')).toMatchObject({ authorization: 'Bearer token' })
  })

  it.each([
    [['chan'], 'Error: must specify content'],
    [['chan', 'hi', '--code=1000'], 'Error: code must be an integer between 0 and 999'],
    [['chan', 'hi', '--code=-1'], 'Error: failed to parse code: invalid digit found in string'],
    [['chan', 'hi', '--code='], 'Error: failed to parse code: cannot parse integer from empty string'],
    [['chan', 'hi', '--code=70000'], 'Error: failed to parse code: number too large to fit in target type'],
    [['chan', 'hi', '-H', 'bad'], 'Error: header must be in the form "name: value"'],
    [['chan', 'hi', '-H', 'A: b\r\nX: c'], 'Error: header must not contain line breaks'],
    [['chan', 'hi', '-M', 'bad'], 'Error: meta must be in the form "name=value"'],
    [['chan', 'hi', '-u', 'a:b', '-B', 'c'], 'Error: only one authentication method can be specified'],
    [[], 'error: the following required arguments were not provided:\n  <channel>'],
    [['a', 'b', 'c'], "error: unexpected argument 'c' found"],
    [['--nope', 'a', 'b'], "error: unexpected argument '--nope' found"],
    [['a', 'b', '-x'], "error: unexpected argument '-x' found"],
    [['a', 'b', '--toString'], "error: unexpected argument '--toString' found"],
    [['a', 'b', '--code', '-1'], "error: unexpected argument '-1' found"],
    [['a', '--id'], "error: a value is required for '--id <id>' but none was supplied"],
    [['a', 'b', '--id=1', '--id=2'], "error: the argument '--id <id>' cannot be used multiple times"],
    [['a', 'b', '--hint', '--hint'], "error: the argument '--hint' cannot be used multiple times"],
    [['a', 'b', '--hint=1'], "error: unexpected value '1' for '--hint' found; no more were expected"],
  ])('%j is refused', (argv, text) => {
    expect(faultOf(...argv)).toBe(text)
  })
})

it('help names every flag', () => {
  const text = helpText()
  for (const flag of ['--id <id>', '-H, --header <"K: V">', '--no-eol', '-B, --bearer <token>', '-V, --version']) {
    expect(text).toContain(flag)
  }
})
