/**
 * Request heads with more than one reading: what passes reaches a backend in one unmistakable form, the rest ends the
 * connection, and nothing that came behind it is taken for a request.
 */
import { once } from 'node:events'
import net from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { HttpRig } from '../testing/http-rig.js'
import { RawClient } from '../testing/raw-client.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A gateway before a backend that keeps every byte and answers each head it sees with `ok`. */
async function setUp(): Promise<{ rig: HttpRig; client: RawClient; recorded: () => string }> {
  let bytes = ''
  const server = net.createServer((socket) => {
    let answered = 0
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      bytes += chunk.toString('latin1')
      const heads = bytes.split('\r\n\r\n').length - 1
      if (heads <= answered) return
      answered = heads
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    closing.push(() => {
      socket.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.close()
  })
  const rig = await HttpRig.start({ routes: `* 127.0.0.1:${String((server.address() as net.AddressInfo).port)}` })
  const client = await RawClient.connect(rig.port)
  closing.push(async () => {
    client.destroy()
    await rig.close()
    expect(rig.errors).toEqual([])
  })
  return { rig, client, recorded: () => bytes }
}

const post = (headers: string, body: string): string => `POST /first HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`
const CHUNKS = '3\r\nabc\r\n0\r\n\r\n'
const SECOND = 'GET /second HTTP/1.1\r\nHost: a\r\n\r\n'

describe('heads that are refused', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['gzip', 'Transfer-Encoding: gzip\r\n', 'unsupported transfer encoding'],
    ['gzip, chunked', 'Transfer-Encoding: gzip, chunked\r\n', 'unsupported transfer encoding'],
    [
      'two transfer encodings',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
      'unsupported transfer encoding',
    ],
    ['an empty one with a length', 'Transfer-Encoding:\r\nContent-Length: 3\r\n', 'unsupported transfer encoding'],
    ['chunked with an empty length', 'Transfer-Encoding: chunked\r\nContent-Length:\r\n', 'invalid content length'],
    ['two lengths that differ', 'Content-Length: 3\r\nContent-Length: 5\r\n', 'invalid content length'],
    ['two lengths that agree', 'Content-Length: 3\r\nContent-Length: 3\r\n', 'invalid content length'],
    ['an empty length', 'Content-Length:\r\n', 'invalid content length'],
    ['a length above 2^53', 'Content-Length: 9007199254740993\r\n', 'invalid content length'],
  ]

  test.each(cases)('%s', async (_name, headers, reason) => {
    const { client, recorded } = await setUp()
    await client.send(post(headers, ''))
    const answer = await client.readAnswer()
    expect([answer.status, answer.get('connection'), answer.body.toString()]).toEqual([
      400,
      'close',
      `Failed to parse request: ${reason}\n`,
    ])
    expect((await client.readToEnd()).length).toBe(0)
    expect(recorded()).toBe('')
  })

  test.each(cases)('%s: what is behind it in the same segment is no request', async (_name, headers) => {
    const { client, recorded } = await setUp()
    await client.send(post(headers, CHUNKS + SECOND))
    expect((await client.readToEnd()).toString('latin1')).not.toContain('ok')
    expect(recorded()).toBe('')
  })

  test.each(['abc', '-1', '+3', '0x3', '3, 3', '99999999999999999999'])('a length of %s', async (length) => {
    const { client, recorded } = await setUp()
    await client.send(post(`Content-Length: ${length}\r\n`, 'abc'))
    expect((await client.readToEnd()).toString('latin1')).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(recorded()).toBe('')
  })

  test.each([
    ['bytes that are not UTF-8', '/a\xffb'],
    ['DEL', '/a\x7fb'],
  ])('a target with %s', async (_name, target) => {
    const { client, recorded } = await setUp()
    await client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`)
    expect((await client.readAnswer()).body.toString()).toBe('Failed to parse request: invalid token\n')
    expect(recorded()).toBe('')
  })
})

describe('chunked requests', () => {
  test('reach the backend in chunks of our own, and are the last of their connection', async () => {
    const { client, recorded } = await setUp()
    await client.send(post('Transfer-Encoding: chunked\r\n', CHUNKS))
    const answer = await client.readAnswer()
    expect([answer.status, answer.get('connection')]).toEqual([200, 'close'])
    await client.readToEnd()
    expect(recorded()).toMatch(/\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/)
  })

  test.each([
    ['a bare line feed behind the size', '3\nabc\r\n0\r\n\r\n'],
    ['another end than a line break', '3\r\nabcXX0\r\n\r\n'],
  ])('%s, which uWebSockets.js takes: nothing is smuggled behind it', async (_name, body) => {
    const { client, recorded } = await setUp()
    await client.send(post('Transfer-Encoding: chunked\r\n', body + SECOND))
    await client.readToEnd()
    expect(recorded()).not.toContain('second')
  })

  test('a streamed answer to one: the connection is said to close, and takes no second request', async () => {
    let release = (): void => {}
    const server = net.createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n')
        release = () => socket.end('3\r\ntwo\r\n0\r\n\r\n')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const rig = await HttpRig.start({ routes: `* 127.0.0.1:${String((server.address() as net.AddressInfo).port)}` })
    const client = await RawClient.connect(rig.port)
    closing.push(async () => {
      client.destroy()
      await rig.close()
      server.close()
    })
    await client.send(post('Transfer-Encoding: chunked\r\n', CHUNKS))
    expect((await client.readHead()).get('connection')).toBe('close')
    await client.readUntil('one')
    release()
    await client.readUntil('two\r\n0\r\n\r\n')
    await client.send(SECOND)
    expect((await rig.accessed(1)).outcome).toBe('relayed')
    // Nothing reads it; a request on another connection is served meanwhile.
    const other = await RawClient.connect(rig.port)
    closing.push(() => {
      other.destroy()
    })
    await other.send('F@O / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await other.readAnswer()).status).toBe(400)
    expect(rig.accesses).toHaveLength(2)
    expect(client.pending.length).toBe(0)
  })
})

describe('header values', () => {
  test('leading zeros of a length go, bytes above ASCII stay inside of a value', async () => {
    const { client, recorded } = await setUp()
    await client.send(post('Content-Length: 003\r\nX-A: a\xc3\xa9b\r\nX-T: a\tb\r\n', 'abc'))
    await client.readAnswer()
    expect(recorded()).toContain('\r\nx-a: a\xc3\xa9b\r\nx-t: a\tb\r\n')
    expect(recorded()).toMatch(/\r\ncontent-length: 3\r\n\r\nabc$/)
  })

  test('bytes above ASCII at either end of a value are lost, what is not UTF-8 becomes U+FFFD', async () => {
    const { client, recorded } = await setUp()
    await client.send(
      'GET / HTTP/1.1\r\nHost: a\r\nX-A: Jos\xc3\xa9\r\nX-B: \xc3\xa9t\xc3\xa9 x\r\nX-C: a\xffb\r\n\r\n',
    )
    await client.readAnswer()
    expect(recorded()).toContain('\r\nx-a: Jos\r\nx-b: t\xc3\xa9 x\r\nx-c: a\xef\xbf\xbdb\r\n')
  })

  test('two Hosts: the first counts and goes on alone', async () => {
    const { client, recorded } = await setUp()
    await client.send('GET / HTTP/1.1\r\nHost: first\r\nHost: second\r\n\r\n')
    await client.readAnswer()
    expect(recorded().match(/host: .*/g)).toEqual(['host: first'])
  })
})
