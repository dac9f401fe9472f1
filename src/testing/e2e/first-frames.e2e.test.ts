/**
 * The first frames of a WebSocket: in one segment with its 101, or apart from it for clients that lose them; and what
 * a hasty client sends with its upgrade request.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Gateway, startGateway } from '../gateway.js'
import { publishHttp, wsItem } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { type BackendCall, ScriptedBackend } from '../scripted-backend.js'
import { clientFrame, Opcode, parseServerFrames, upgradeRequest } from '../websocket-frames.js'
import { answerEvents, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX, subscribeEvent } from '../websocket-over-http.js'

const GREETINGS = ['one', 'two', 'three']

/** Accepts, subscribes, greets three times; a TEXT "publish" is answered with nothing. */
function greet(call: BackendCall): void {
  const events = decodeEvents(call.body)
  if (events[0]?.type !== 'OPEN') return answerEvents(call, [])
  const channel = new URL(call.url, 'http://backend').searchParams.get('channel') ?? 'greet'
  const greetings = GREETINGS.map((text) => encodeEvent('TEXT', text))
  answerEvents(call, [encodeEvent('OPEN'), subscribeEvent(channel), ...greetings], { ...GRIP_WITHOUT_PREFIX })
}

describe('first frames', () => {
  let backend: ScriptedBackend
  let gateway: Gateway

  beforeAll(async () => {
    backend = await ScriptedBackend.start((call) => {
      if (!call.url.startsWith('/hold') || !call.body.includes('OPEN')) greet(call)
    })
    gateway = await startGateway({
      routes: [`* ${backend.target},over_http`, `late ${backend.target},over_http,first_frame_delay=2500`],
    })
  })
  afterAll(async () => {
    await gateway.stop()
    await backend.stop()
  })

  /** What comes of an opening, segment by segment as the kernel hands it out, until `count` frames are there. */
  async function opened(host: string, path: string, count: number, onHead: () => Promise<void> = async () => {}) {
    const client = await RawClient.connect(gateway.ports.http)
    const segments: Buffer[] = []
    client.socket.on('data', (segment: Buffer) => segments.push(segment))
    await client.send(upgradeRequest(path, host))
    const head = await client.readUntil('\r\n\r\n')
    expect(head.toString()).toMatch(/^HTTP\/1.1 101 /)
    const firstSegment = segments[0] as Buffer
    await onHead()
    const bytes = await client.readUntil((received) => {
      const { frames, consumed } = parseServerFrames(received)
      return frames.length >= count ? consumed : null
    })
    client.destroy()
    const texts = parseServerFrames(bytes).frames.map(({ payload }) => payload.toString())
    return { texts, withHead: firstSegment.length - head.length }
  }

  it('leave in one segment with the 101, in order', async () => {
    for (let round = 0; round < 20; round++) {
      const { texts, withHead } = await opened('a', '/?channel=plain', GREETINGS.length)
      expect(texts).toEqual(GREETINGS)
      expect(withHead).toBe(GREETINGS.reduce((bytes, text) => bytes + 2 + text.length, 0))
    }
  })

  it('come apart from the 101, and what was published meanwhile after them, where the route says so', async () => {
    for (const channel of ['late-1', 'late-2']) {
      const { texts, withHead } = await opened('late', `/?channel=${channel}`, GREETINGS.length + 2, async () => {
        await publishHttp(gateway.controlUrl('/publish/'), wsItem(channel, 'first'), wsItem(channel, 'second'))
      })
      expect(withHead).toBe(0)
      expect(texts).toEqual([...GREETINGS, 'first', 'second'])
    }
  })

  it('go by the common way again when the delay is over', async () => {
    const client = await RawClient.connect(gateway.ports.http)
    await client.send(upgradeRequest('/?channel=after', 'late'))
    await client.readUntil('\r\n\r\n')
    const frames = (count: number) =>
      client.readUntil((received) => (parseServerFrames(received).frames.length >= count ? received.length : null))
    await frames(GREETINGS.length)
    await publishHttp(gateway.controlUrl('/publish/'), wsItem('after', 'plain'))
    expect(parseServerFrames(await frames(1)).frames.map(({ payload }) => payload.toString())).toEqual(['plain'])
    client.destroy()
  })

  it('of a hasty client are handled when they come in later segments than its request', async () => {
    const client = await RawClient.connect(gateway.ports.http)
    await client.send(upgradeRequest('/hold?channel=hasty', 'a'))
    const [open] = await backend.received(1, (call) => call.url.startsWith('/hold'))
    // The socket is paused until the verdict: these bytes wait in the kernel.
    const frames = [
      clientFrame(Opcode.Text, 'early'),
      clientFrame(Opcode.Binary, Buffer.from([0, 1, 2])),
      clientFrame(Opcode.Text, 'x'.repeat(300)),
    ]
    await client.sendByteByByte(Buffer.concat(frames))
    greet(open as BackendCall)
    await backend.received(1, (call) => call.body.includes('x'.repeat(300)))
    const seen = backend.calls
      .flatMap((call) => decodeEvents(call.body))
      .filter(({ content }) => content !== null)
      .map(({ type, content }) => `${type} ${String(content?.length)}`)
    expect(seen).toEqual(['TEXT 5', 'BINARY 3', 'TEXT 300'])
    client.destroy()
  })
})
