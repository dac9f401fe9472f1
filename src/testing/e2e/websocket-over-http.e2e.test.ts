/** WebSocket-over-HTTP on the wire: what a backend gets, what a client gets (WebSocket reference §1). */
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { clientFrame, Opcode, parseServerFrames, SEC_WEBSOCKET_ACCEPT } from '../websocket-frames.js'
import { answerEvents, encodeEvent, GRIP_WITHOUT_PREFIX, subscribeEvent } from '../websocket-over-http.js'
import { accepting, echo, Gate, WebSocketRig } from '../websocket-rig.js'
import { WsClient, WsRejected } from '../ws-client.js'

const EVENTS_TYPE = 'application/websocket-events'
const FEATURES =
  'status, session, link:next, link:gone, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, filter:var-subst, filter:http-check, filter:http-modify'

let rig: WebSocketRig

beforeAll(async () => {
  rig = await WebSocketRig.start({
    routes: (target) => [
      `* ${target},over_http`,
      `*,path_beg=/one ${target},over_http,one_event`,
      `*,path_beg=/no-grip,no_grip ${target},over_http`,
      `*,path_beg=/old,replace_beg=/served ${target},over_http`,
      `http.example,proto=http ${target}`,
    ],
    conf: { 'proxy.sig_iss': 'pushpin', 'proxy.sig_key': 'changeme' },
  })
})

afterEach(() => {
  rig.cut()
})

afterAll(() => rig.stop())

describe('events of the client', () => {
  test('each is a request with these bytes', async () => {
    const path = rig.serve(accepting(echo))
    const client = await rig.connectRaw(path)
    await client.readHead()
    const sent: (readonly [number, string, string])[] = [
      [Opcode.Text, 'h\u00e9llo', 'TEXT 6\r\nh\u00c3\u00a9llo\r\n'],
      [Opcode.Binary, '\x01\x02\x03'.repeat(6), `BINARY 12\r\n${'\x01\x02\x03'.repeat(6)}\r\n`],
      [Opcode.Text, '', 'TEXT\r\n'],
      [Opcode.Binary, '', 'BINARY\r\n'],
      [Opcode.Ping, 'p', 'PING 1\r\np\r\n'],
      [Opcode.Ping, '', 'PING\r\n'],
      [Opcode.Pong, 'po', 'PONG 2\r\npo\r\n'],
      [Opcode.Close, '\x03\x00bye', 'CLOSE 5\r\n\x03\x00bye\r\n'],
    ]
    for (const [at, [opcode, payload]] of sent.entries()) {
      const content = opcode === Opcode.Close ? Buffer.from([0x0f, 0xa0, ...Buffer.from('bye')]) : payload
      await client.send(clientFrame(opcode, content))
      await rig.requests(path, at + 2)
    }
    const expected = sent.map(([, , body]) => body.replace('\x03\x00bye', '\x0f\xa0bye'))
    expect(await rig.bodies(path, sent.length + 1)).toEqual(['OPEN\r\n', ...expected])
  })

  test('fragments are one message', async () => {
    const path = rig.serve(accepting(echo))
    const client = await rig.connectRaw(path)
    await client.readHead()
    await client.send(clientFrame(Opcode.Text, 'one ', { fin: false }))
    await client.send(clientFrame(Opcode.Continuation, 'message', { fin: true }))
    expect(await rig.bodies(path, 2)).toEqual(['OPEN\r\n', 'TEXT b\r\none message\r\n'])
  })

  test('an end without a close frame is DISCONNECT', async () => {
    const path = rig.serve(accepting(echo, { headers: { 'Set-Meta-User': 'u1' } }))
    const client = await rig.connect(path)
    client.terminate()
    const [, call] = await rig.requests(path, 2)
    expect(call?.body.toString()).toBe('DISCONNECT\r\n')
    expect(call?.header('Meta-User')).toBe('u1')
  })

  test('what comes while a request is in flight goes out in the next one, together', async () => {
    const gate = new Gate()
    const path = rig.serve(async (call) => {
      if (call.body.toString() === 'TEXT 1\r\na\r\n') await gate.opened
      await accepting(echo)(call)
    })
    const client = await rig.connect(path)
    client.send('a')
    await rig.requests(path, 2)
    client.send('b')
    client.send(Buffer.from('c'))
    client.socket.ping('d')
    await client.waitForPongs(1) // so all three are there
    expect(await rig.requests(path, 2)).toHaveLength(2)
    gate.open()
    expect((await rig.bodies(path, 3))[2]).toBe('TEXT 1\r\nb\r\nBINARY 1\r\nc\r\nPING 1\r\nd\r\n')
    expect(await client.waitFor(3)).toEqual(['a', 'b', 'c'])
  })

  test('one_event: one in each request', async () => {
    const gate = new Gate()
    const path = rig.serve(async (call) => {
      if (call.body.toString() === 'TEXT 1\r\na\r\n') await gate.opened
      await accepting(echo)(call)
    }, '/one')
    const client = await rig.connect(path)
    for (const text of ['a', 'b', 'c']) client.send(text)
    await rig.requests(path, 2)
    gate.open()
    expect(await client.waitFor(3)).toEqual(['a', 'b', 'c'])
    const texts = ['TEXT 1\r\na\r\n', 'TEXT 1\r\nb\r\n', 'TEXT 1\r\nc\r\n']
    expect(await rig.bodies(path, 4)).toEqual(['OPEN\r\n', ...texts])
  })
})

describe('events of the backend', () => {
  test('reach the client in order; several in one answer', async () => {
    const events = [
      encodeEvent('TEXT', 'h\u00e9llo'),
      encodeEvent('BINARY', Buffer.from([0, 255])),
      encodeEvent('TEXT'),
      encodeEvent('PING', 'are you there'),
      encodeEvent('UNKNOWN', 'is ignored'),
      encodeEvent('TEXT', 'x'.repeat(70_000)),
    ]
    const client = await rig.connect(rig.serve(accepting(() => events)))
    client.send('go')
    await client.waitFor(4)
    const got = client.messages.map(({ data, isBinary }) => [isBinary, data.length])
    expect(got).toEqual([
      [false, 6],
      [true, 2],
      [false, 0],
      [false, 70_000],
    ])
    expect(client.pings.map(String)).toEqual(['are you there'])
  })

  test.each([
    ['CLOSE with a code and a reason', encodeEvent('CLOSE', Buffer.from('\x0f\xa1done', 'latin1')), 4001, 'done'],
    ['CLOSE without a code', encodeEvent('CLOSE'), 1000, ''],
    ['DISCONNECT', encodeEvent('DISCONNECT'), 1006, ''],
    ['a second OPEN', encodeEvent('OPEN'), 1006, ''],
  ])('%s; what stands behind it is not sent', async (_name, event, code, reason) => {
    const client = await rig.connect(
      rig.serve(accepting(() => [encodeEvent('TEXT', 'last'), event, encodeEvent('TEXT', 'too late')])),
    )
    client.send('go')
    expect(await client.closed).toEqual({ code, reason })
    expect(client.texts).toEqual(['last'])
  })
})

describe('requests', () => {
  test('headers stand in this order, with these names, on OPEN', async () => {
    const path = rig.serve(accepting(echo))
    const client = await rig.connectRaw(path, {
      Origin: 'http://example.com',
      'Sec-WebSocket-Protocol': 'chat, superchat',
      'Sec-WebSocket-Extensions': 'permessage-deflate',
      Cookie: 'a=b',
      Accept: '*/*',
      'Accept-Encoding': 'gzip',
      'Connection-Id': 'mine',
      'Meta-User': 'mine',
      'Grip-Sig': 'mine',
      'X-Forwarded-For': '1.2.3.4',
      'X-Custom': 'One',
    })
    await client.readHead()
    const [call] = await rig.requests(path, 1)
    expect([call?.method, call?.url]).toEqual(['POST', path])
    const headers = call?.rawHeaders.map((text, at) => {
      if (at % 2 === 0) return text
      return text.replace(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'ID').replace(/^eyJ[\w.-]+$/, 'TOKEN')
    })
    expect(headers).toEqual([
      ...['host', `127.0.0.1:${rig.gateway.ports.http}`, 'connection', 'keep-alive'],
      ...['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version', '13'],
      ...['origin', 'http://example.com', 'sec-websocket-protocol', 'chat, superchat', 'cookie', 'a=b'],
      ...['x-custom', 'One', 'Grip-Feature', FEATURES, 'X-Forwarded-For', '1.2.3.4'],
      ...['Sec-WebSocket-Extensions', 'grip', 'Grip-Sig', 'TOKEN', 'Accept', EVENTS_TYPE],
      ...['Connection-Id', 'ID', 'Content-Type', EVENTS_TYPE, 'content-length', '6'],
    ])
  })

  test('meta is kept as the backend spells it; a new value goes to the end, an empty one removes it', async () => {
    const answers: Record<string, string>[] = [
      { 'Set-Meta-UserName': 'ab c', 'set-meta-b': '2' },
      { 'Set-Meta-UserName': 'other', 'Set-Meta-c': '3' },
      { 'Set-Meta-b': '' },
      {},
    ]
    const path = rig.serve((call) => {
      const opens = call.body.toString() === 'OPEN\r\n'
      const headers = { ...(answers.shift() ?? {}), ...(opens ? GRIP_WITHOUT_PREFIX : {}) }
      answerEvents(call, [encodeEvent(opens ? 'OPEN' : 'TEXT', opens ? undefined : 'ok')], headers)
    })
    const client = await rig.connect(path, { headers: { 'Meta-UserName': 'mine' } })
    for (const count of [1, 2, 3]) {
      client.send('next')
      await client.waitFor(count)
    }
    const metas = (await rig.requests(path, 4)).map((call) =>
      call.rawHeaders.flatMap((name, at) => (/^meta-/i.test(name) ? [name, call.rawHeaders[at + 1]] : [])),
    )
    expect(metas).toEqual([
      [],
      ['Meta-UserName', 'ab c', 'Meta-b', '2'],
      ['Meta-b', '2', 'Meta-UserName', 'other', 'Meta-c', '3'],
      ['Meta-UserName', 'other', 'Meta-c', '3'],
    ])
  })

  test('Connection-Id is one per client; the handshake comes with every request', async () => {
    const path = rig.serve(accepting(echo))
    const [one, two] = [await rig.connect(path, { headers: { Cookie: 'n=1' } }), await rig.connect(path)]
    one.send('a')
    two.send('b')
    await Promise.all([one.waitFor(1), two.waitFor(1)])
    const calls = await rig.requests(path, 4)
    const ids = calls.map((call) => call.header('Connection-Id'))
    expect(new Set(ids).size).toBe(2)
    const ofOne = calls.filter((call) => call.header('Connection-Id') === ids[0])
    expect(ofOne.map((call) => [call.header('Cookie'), call.header('Sec-WebSocket-Extensions')])).toEqual([
      ['n=1', 'grip'],
      ['n=1', 'grip'],
    ])
  })

  test('no_grip: GRIP is not offered and not acted upon', async () => {
    const path = rig.serve(
      accepting(() => [encodeEvent('TEXT', 'c:{"type":"detach"}')]),
      '/no-grip',
    )
    const client = await rig.connect(path)
    client.send('go')
    expect(await client.waitFor(1)).toEqual(['c:{"type":"detach"}'])
    const [call] = await rig.requests(path, 1)
    expect([call?.header('Sec-WebSocket-Extensions'), call?.header('Grip-Feature')]).toEqual([null, null])
  })

  test('the path is rewritten as the route says', async () => {
    const path = rig.serve(accepting(echo))
    await rig.connect(path.replace('/served', '/old'))
    await rig.requests(path, 1)
  })

  test('events that a client makes up itself are refused: 403', async () => {
    const response = await fetch(rig.gateway.httpUrl('/any'), {
      method: 'POST',
      headers: { 'Content-Type': `${EVENTS_TYPE}; a=b` },
      body: 'OPEN\r\n',
    })
    expect([response.status, await response.text()]).toEqual([
      403,
      'Client not allowed to send WebSocket events directly.\n',
    ])
  })
})

describe('Content-Bytes-Accepted', () => {
  const answering = (...accepted: (string | null)[]): string =>
    rig.serve((call) => {
      if (call.body.toString() === 'OPEN\r\n') {
        answerEvents(call, [encodeEvent('OPEN')], { ...GRIP_WITHOUT_PREFIX, 'Content-Bytes-Accepted': '0' })
        return
      }
      const header = accepted.shift() ?? null
      answerEvents(call, [encodeEvent('TEXT', 'ok')], header === null ? {} : { 'Content-Bytes-Accepted': header })
    })

  test('what is held back comes again with the next message, and its bytes are told', async () => {
    const path = answering('5', '0', '4')
    const client = await rig.connect(path)
    client.send('[foo][hello')
    await client.waitFor(1)
    client.send(' wor')
    await client.waitFor(2)
    client.send(Buffer.from('ld]'))
    await client.waitFor(3)
    client.send('!')
    await client.waitFor(4)
    const calls = await rig.requests(path, 5)
    expect(calls.slice(1).map((call) => [call.body.toString(), call.header('Content-Bytes-Replayed')])).toEqual([
      ['TEXT b\r\n[foo][hello\r\n', null],
      ['TEXT 6\r\n[hello\r\nTEXT 4\r\n wor\r\n', '6'],
      ['TEXT 6\r\n[hello\r\nTEXT 4\r\n wor\r\nBINARY 3\r\nld]\r\n', '10'],
      ['TEXT 2\r\nlo\r\nTEXT 4\r\n wor\r\nBINARY 3\r\nld]\r\nTEXT 1\r\n!\r\n', '9'],
    ])
  })

  test('a number below zero or no number: all is accepted', async () => {
    const path = answering('-1', 'abc')
    const client = await rig.connect(path)
    for (const text of ['a', 'b', 'c']) {
      client.send(text)
      await client.waitFor('abc'.indexOf(text) + 1)
    }
    expect((await rig.bodies(path, 4)).slice(1)).toEqual(['TEXT 1\r\na\r\n', 'TEXT 1\r\nb\r\n', 'TEXT 1\r\nc\r\n'])
  })

  test('more than was offered ends the connection', async () => {
    const client = await rig.connect(answering('6'))
    client.send('hello')
    expect((await client.closed).code).toBe(1006)
  })
})

describe('opening', () => {
  test('the chosen subprotocol and further headers reach the client, those of the protocol do not', async () => {
    const headers = {
      'Sec-WebSocket-Extensions': 'grip',
      'Sec-WebSocket-Protocol': 'superchat',
      'Set-Cookie': 'a=b',
      'X-Back': 'yes',
      'Keep-Alive-Interval': '30',
      'Set-Meta-User': 'u',
    }
    const client = await rig.connect(rig.serve(accepting(echo, { headers })), { protocols: ['chat', 'superchat'] })
    expect(client.socket.protocol).toBe('superchat')
    const names = Object.keys(client.upgradeHeaders)
    expect(client.upgradeHeaders).toMatchObject({ 'set-cookie': ['a=b'], 'x-back': 'yes' })
    expect(names.filter((name) => /^(set-meta|keep-alive|content-|sec-websocket-ext|transfer)/.test(name))).toEqual([])
  })

  test('without an offer and without an answer there is no subprotocol', async () => {
    const client = await rig.connectRaw(rig.serve(accepting(echo)))
    const head = await client.readHead()
    expect([head.status, head.reason, head.get('sec-websocket-accept')]).toEqual([
      101,
      'Switching Protocols',
      SEC_WEBSOCKET_ACCEPT,
    ])
    expect(head.get('sec-websocket-protocol')).toBeNull()
  })

  test('frames that the backend sends with OPEN come in the segment of the 101, behind it', async () => {
    const events = [encodeEvent('TEXT', 'one'), subscribeEvent('first'), encodeEvent('BINARY', 'two')]
    const path = rig.serve(accepting(echo, { events }))
    for (let round = 0; round < 20; round += 1) {
      const client = await rig.connectRaw(path)
      const chunk = client.pending.length > 0 ? client.pending : ((await once(client.socket, 'data')) as [Buffer])[0]
      const headEnd = chunk.indexOf('\r\n\r\n') + 4
      const { frames } = parseServerFrames(chunk.subarray(headEnd))
      expect(frames.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
        [Opcode.Text, 'one'],
        [Opcode.Binary, 'two'],
      ])
    }
  })

  test('what a client sends with its 101 just read, or before it, is not lost', async () => {
    const gate = new Gate()
    const path = rig.serve(async (call) => {
      if (call.body.toString() === 'OPEN\r\n') await gate.opened
      await accepting(echo)(call)
    })
    const hasty = await rig.connectRaw(path)
    await rig.requests(path, 1)
    await hasty.send(clientFrame(Opcode.Text, 'before the 101'))
    gate.open()
    await hasty.readHead()
    await hasty.send(clientFrame(Opcode.Text, 'after it'))
    await hasty.readUntil('after it')
    const bodies = (await rig.bodies(path, 2)).slice(1).join('')
    expect(bodies.startsWith('TEXT e\r\nbefore the 101\r\n')).toBe(true)
  })
})

describe('rejection', () => {
  async function rejected(script: Parameters<WebSocketRig['serve']>[0]): Promise<WsRejected> {
    const error: unknown = await rig.connect(rig.serve(script)).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(WsRejected)
    return error as WsRejected
  }

  test('status, reason, headers and body are the ones of the backend, and the connection ends', async () => {
    const path = rig.serve((call) => {
      call.response.statusMessage = 'Who Are You'
      call.response.writeHead(401, ['WWW-Authenticate', 'Basic', 'X-Two', 'a', 'X-Two', 'b', 'Upgrade', 'x'])
      call.response.end('go away\n')
    })
    const client = await rig.connectRaw(path)
    const head = await client.readHead()
    expect([head.status, head.reason]).toEqual([401, 'Who Are You'])
    const kept = head.headers.filter(([name]) => /^(www|x-two|upgrade|sec-)/i.test(name))
    expect(kept).toEqual([
      ['WWW-Authenticate', 'Basic'],
      ['X-Two', 'a'],
      ['X-Two', 'b'],
    ])
    expect(head.get('content-length')).toBe('8')
    expect((await client.readToEnd()).toString()).toBe('go away\n')
  })

  test('a body of 8192 bytes passes', async () => {
    const { status, body } = await rejected((call) => call.answer(403, {}, 'x'.repeat(8192)))
    expect([status, body.length]).toEqual([403, 8192])
  })

  test('a body of 8193 bytes is answered with 500', async () => {
    const { status, body } = await rejected((call) => call.answer(403, {}, 'x'.repeat(8193)))
    expect([status, body]).toEqual([500, 'Non-101 response body size exceeded limit of 8192 bytes.\n'])
  })

  test('200 of another type is an answer like any other', async () => {
    const { status, body } = await rejected((call) => call.answer(200, { 'Content-Type': 'text/plain' }, 'hello'))
    expect([status, body]).toEqual([200, 'hello'])
  })

  test.each<[string, readonly Buffer[] | string, Record<string, string>]>([
    ['no event', [], {}],
    ['another event than OPEN first', [encodeEvent('TEXT', 'a'), encodeEvent('OPEN')], {}],
    ['no events but bytes', 'hello', {}],
    ['bytes accepted of OPEN', [encodeEvent('OPEN')], { 'Content-Bytes-Accepted': '1' }],
  ])('%s: 502', async (_name, events, headers) => {
    const body = typeof events === 'string' ? events : Buffer.concat(events)
    const { status, body: text } = await rejected((call) =>
      call.answer(200, { 'Content-Type': EVENTS_TYPE, ...headers }, body),
    )
    expect([status, text]).toEqual([502, 'Error while proxying to origin.\n'])
  })

  test.each(['http.example', 'HTTP.example:8080'])('no route for %s: 502 that names the host alone', async (Host) => {
    const error: unknown = await WsClient.connect(rig.gateway.wsUrl('/'), {
      headers: { Host },
    }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ status: 502, body: 'No route for host: http.example\n' })
  })
})
