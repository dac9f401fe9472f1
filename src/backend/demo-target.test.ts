import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { byteStringOfText } from '../base/bytes.js'
import { answerDemo } from './demo-target.js'
import type { DemoAnswer } from './demo-target.js'
import { answerTest } from './test-target.js'
import type { TestRequest } from './test-target.js'

function request(method: string, path: string, body = '', more: Partial<TestRequest> = {}): TestRequest {
  return { method, path, headers: ['Host', 'example.com'], body: Buffer.from(body), routePathBeg: '', ...more }
}

function header(answer: DemoAnswer, name: string): string {
  return answer.headers[answer.headers.indexOf(name) + 1] ?? ''
}

function publish(fields: unknown): DemoAnswer {
  return answerDemo(request('POST', '/publish', JSON.stringify(fields)))
}

describe('what the test target does', () => {
  test.each(['/stream?channel=a', '/response', '/x', '/ws'])('the demo target does too: %s', (path) => {
    expect(answerDemo(request('GET', path))).toEqual(answerTest(request('GET', path)))
  })

  test('a body above the limit is refused', () => {
    expect(answerDemo(request('POST', '/publish', 'x'.repeat(100_001))).status).toBe(400)
  })

  test('a WebSocket is echoed', () => {
    const headers = ['Sec-WebSocket-Extensions', 'grip', 'Accept', 'application/websocket-events', 'Connection-Id', '1']
    headers.push('Content-Type', 'application/websocket-events')
    const answer = answerDemo(request('POST', '/ws', 'TEXT 2\r\nhi\r\n', { headers }))
    expect(answer.body.toString()).toBe('TEXT 4\r\nm:hi\r\n')
  })
})

describe('the page', () => {
  test('is one file with nothing from elsewhere', () => {
    const answer = answerDemo(request('GET', '/'))
    expect(header(answer, 'Content-Type')).toBe('text/html; charset=utf-8')
    const html = answer.body.toString()
    expect(html).not.toMatch(/\b(?:src|href)="(?!data:)/)
    expect(html).not.toMatch(/\son[a-z]+=|innerHTML|style="/)
  })

  test('allows its own script and style by their hashes, and nothing else', () => {
    const answer = answerDemo(request('GET', '/'))
    const policy = header(answer, 'Content-Security-Policy')
    for (const tag of ['script', 'style']) {
      const parts = answer.body.toString().split(new RegExp(`</?${tag}>`))
      expect(parts).toHaveLength(3)
      const hash = createHash('sha256')
        .update(parts[1] as string)
        .digest('base64')
      expect(policy).toContain(`${tag}-src 'sha256-${hash}'`)
    }
    expect(policy).not.toContain('unsafe')
  })

  test('is found below path_beg', () => {
    const answer = answerDemo(request('GET', '/demo/', '', { routePathBeg: '/demo' }))
    expect(header(answer, 'Content-Type')).toBe('text/html; charset=utf-8')
  })
})

test('the event stream holds on its own channel, framed and kept alive', () => {
  const answer = answerDemo(request('GET', '/events?channel=a&channel=b'))
  expect(header(answer, 'Content-Type')).toBe('text/event-stream')
  expect(header(answer, 'Grip-Hold')).toBe('stream')
  expect(header(answer, 'Grip-Channel')).toBe('a.events, b.events')
  expect(header(answer, 'Grip-Keep-Alive')).toBe(':keep-alive\\n\\n; format=cstring; timeout=20')
  expect(answer.body.toString()).toBe(':stream opened\n\n')
})

describe('publishing', () => {
  test('makes one item for plain subscribers and one for event streams', () => {
    const answer = publish({ channel: 'news', content: 'hello' })
    expect([answer.status, answer.body.toString()]).toEqual([200, 'Published\n'])
    const [plain, framed] = answer.publish ?? []
    expect(plain?.channel).toBe('news')
    expect(plain?.wsMessage?.content.toString()).toBe('hello')
    expect(plain?.httpStream?.content.toString()).toBe('hello\n')
    expect(plain?.httpResponse?.body.toString()).toBe('hello\n')
    expect(framed?.channel).toBe('news.events')
    expect(framed?.httpStream?.content.toString()).toBe('data: hello\n\n')
    expect([framed?.wsMessage, framed?.httpResponse]).toEqual([null, null])
  })

  test('every kind of line break stays inside the event', () => {
    const [, framed] = publish({ channel: 'c', content: 'a\nb\r\nc\rdata: d\n\nevent: x' }).publish ?? []
    const expected = 'data: a\ndata: b\ndata: c\ndata: data: d\ndata: \ndata: event: x\n\n'
    expect(framed?.httpStream?.content.toString()).toBe(expected)
  })

  test('a channel beyond ASCII becomes its UTF-8 bytes', () => {
    const [plain, framed] = publish({ channel: 'é', content: '€' }).publish ?? []
    expect([plain?.channel, framed?.channel]).toEqual([byteStringOfText('é'), byteStringOfText('é.events')])
    expect(plain?.wsMessage?.content).toEqual(Buffer.from('€'))
  })

  test.each([
    ['', 'the body must be JSON\n'],
    ['[]', 'the body must be a JSON object\n'],
    ['null', 'the body must be a JSON object\n'],
    ['{"content":"x"}', "'channel' must be a string that is not empty\n"],
    ['{"channel":"","content":"x"}', "'channel' must be a string that is not empty\n"],
    ['{"channel":"a","content":1}', "'content' must be a string\n"],
    [JSON.stringify({ channel: 'é'.repeat(32_500), content: '' }), "'channel' is too long\n"],
  ])('refuses %.40s', (body, message) => {
    const answer = answerDemo(request('POST', '/publish', body))
    expect([answer.status, answer.body.toString(), answer.publish]).toEqual([400, message, undefined])
  })

  test('is not done by GET', () => {
    const answer = answerDemo(request('GET', '/publish'))
    expect([answer.status, header(answer, 'Allow')]).toEqual([405, 'POST'])
  })
})
