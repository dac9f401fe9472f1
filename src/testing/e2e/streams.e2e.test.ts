/** HTTP streams and long polls as users meet them: curl, EventSource, several shards, backends in plain node:http. */
import { EventSource } from 'eventsource'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Command, runCommand } from '../command.js'
import { startGateway } from '../gateway.js'
import type { Gateway } from '../gateway.js'
import { publishHttp, responseItem, streamItem } from '../publish.js'
import { ScriptedBackend } from '../scripted-backend.js'
import type { BackendCall } from '../scripted-backend.js'
import { onePerShard, withoutClients } from '../shards.js'
import { StreamClient } from '../stream-client.js'
import { Waiters } from '../wait.js'

let gateway: Gateway
let backend: ScriptedBackend
const cleanups: (() => unknown)[] = []

beforeAll(async () => {
  backend = await ScriptedBackend.start(answer)
  const routes = ['*,path_beg=/demo,id=demo demo', `* ${backend.target}`]
  gateway = await startGateway({ routes, conf: { 'handler.subscription_linger': '1' } })
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await withoutClients(gateway)
})

afterAll(async () => {
  await gateway.stop()
  await backend.stop()
})

/** `/stream`, `/poll` or `/events`; `?channel=` may be repeated, any other parameter is a header. */
function answer(call: BackendCall): void {
  const { pathname, searchParams } = new URL(call.url, 'http://backend')
  const headers = ['Content-Type', pathname === '/events' ? 'text/event-stream' : 'text/plain']
  headers.push('Grip-Hold', pathname === '/poll' ? 'response' : 'stream')
  for (const [name, value] of searchParams) headers.push(name === 'channel' ? 'Grip-Channel' : name, value)
  call.answer(200, headers, { '/stream': 'welcome\n', '/poll': 'nothing new\n' }[pathname] ?? ': welcome\n\n')
}

const publish = (...items: Parameters<typeof publishHttp>[1][]): Promise<void> =>
  publishHttp(gateway.controlUrl('/publish/'), ...items)

function curl(...args: string[]): Command {
  const command = Command.start('curl', '-sS', ...args)
  cleanups.push(() => command.kill())
  return command
}

async function openStream(path: string): Promise<StreamClient> {
  const client = await StreamClient.open(gateway.ports.http, path)
  cleanups.push(() => client.destroy())
  return client
}

describe('curl', () => {
  test('reads a stream and what is published with curl', async () => {
    const reader = curl('-N', '-i', gateway.httpUrl('/stream?channel=curl-1'))
    await reader.printed('welcome\n')
    expect(reader.stdout).toContain('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n')
    expect(reader.stdout).not.toMatch(/grip-/i)
    const item = { channel: 'curl-1', formats: { 'http-stream': { content: 'hello there\n' } } }
    const url = gateway.controlUrl('/publish/')
    expect(await runCommand('curl', '-sS', '-d', JSON.stringify({ items: [item] }), url)).toBe('Published\n')
    await reader.printed('welcome\nhello there\n')
  })

  test('reads a stream to its end when a publish closes it', async () => {
    const reader = curl('-N', gateway.httpUrl('/stream?channel=curl-2'))
    await reader.printed('welcome\n')
    await publish(streamItem('curl-2', 'last words\n'))
    await publish({ channel: 'curl-2', formats: { 'http-stream': { action: 'close' } } })
    expect(await reader.end()).toBe('welcome\nlast words\n')
  })

  test('gets keep-alives of a quiet stream', async () => {
    const reader = curl(
      '-N',
      gateway.httpUrl('/stream?channel=curl-3&Grip-Keep-Alive=still%20here\\n;format=cstring;timeout=1'),
    )
    await reader.printed('welcome\nstill here\n')
  })

  test('waits in a long poll that a publish answers, with its status and headers', async () => {
    const held = (await gateway.metrics()).value('tackboard_response_holds')
    const reader = curl('-i', gateway.httpUrl('/poll?channel=curl-4'))
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === held + 1)
    const format = { code: 202, headers: { 'X-Published': 'yes', 'Content-Type': 'text/fancy' }, body: 'news\n' }
    await publish({ channel: 'curl-4', formats: { 'http-response': format } })
    const answered = await reader.end()
    expect(answered).toMatch(/^HTTP\/1\.1 202 /)
    expect(answered).toMatch(/\r\nX-Published: yes\r\n/)
    expect(answered).toMatch(/\r\n\r\nnews\n$/)
  })

  test("gets the backend's own answer when a long poll has timed out", async () => {
    expect(await curl(gateway.httpUrl('/poll?channel=curl-5&Grip-Timeout=1')).end()).toBe('nothing new\n')
  })

  test('the test target behaves as its README says', async () => {
    const reader = curl('-N', gateway.httpUrl('/demo/stream?channel=curl-6'))
    await reader.printed('[stream opened]\n')
    await publish(streamItem('curl-6', 'to the demo\n'))
    await reader.printed('[stream opened]\nto the demo\n')
  })
})

describe('EventSource', () => {
  interface Events {
    readonly source: EventSource
    readonly seen: string[]
    waitFor(count: number): Promise<string[]>
  }

  async function openEvents(path: string): Promise<Events> {
    const source = new EventSource(gateway.httpUrl(path))
    cleanups.push(() => source.close())
    const waiters = new Waiters()
    const seen: string[] = []
    let opened = false
    source.onopen = () => {
      opened = true
      waiters.changed()
    }
    const note = (event: MessageEvent): void => {
      seen.push(`${event.type} ${event.lastEventId} ${String(event.data)}`)
      waiters.changed()
    }
    source.onmessage = note
    source.addEventListener('special', note)
    await waiters.until(
      () => opened || undefined,
      () => 'EventSource opens',
    )
    return {
      source,
      seen,
      waitFor: (count) =>
        waiters.until(
          () => (seen.length >= count ? seen.slice(0, count) : undefined),
          () => `${count} events; there are ${seen.join(' | ')}`,
        ),
    }
  }

  test('on a backend: ids, names, lines and keep-alives', async () => {
    const path = '/events?channel=es-1&Grip-Keep-Alive=:\\n\\n;format=cstring;timeout=1'
    const events = await openEvents(path)
    await publish(
      streamItem('es-1', 'id: 7\ndata: one\n\n'),
      streamItem('es-1', 'event: special\ndata: two\ndata: lines\n\n'),
      streamItem('es-1', 'data: grüße\n\n'),
    )
    expect(await events.waitFor(3)).toEqual(['message 7 one', 'special  two\nlines', 'message  grüße'])
    expect(events.source.readyState).toBe(EventSource.OPEN)
  })

  test('comes back by itself after the stream was closed, with the last id it has seen', async () => {
    const events = await openEvents('/events?channel=es-2')
    await publish(streamItem('es-2', 'retry: 10\nid: 41\ndata: one\n\n'))
    await events.waitFor(1)
    await publish({ channel: 'es-2', formats: { 'http-stream': { action: 'close' } } })
    const calls = await backend.received(2, (call) => call.url.includes('es-2'))
    expect(calls[1]?.header('last-event-id')).toBe('41')
    const reopened = (): boolean => events.source.readyState === EventSource.OPEN
    await gateway.metricsWhere((metrics) => reopened() && metrics.value('tackboard_stream_holds') >= 1)
    await publish(streamItem('es-2', 'data: two\n\n'))
    expect(await events.waitFor(2)).toEqual(['message 41 one', 'message  two'])
  })

  test('on the demo target shows what is published from its page', async () => {
    const events = await openEvents('/demo/events?channel=es-3')
    const response = await fetch(gateway.httpUrl('/demo/publish'), {
      method: 'POST',
      body: JSON.stringify({ channel: 'es-3', content: 'from the page' }),
    })
    expect([response.status, await response.text()]).toEqual([200, 'Published\n'])
    expect(await events.waitFor(1)).toEqual(['message  from the page'])
  })
})

describe('channels and shards', () => {
  test('a stream on several channels gets the items of all of them, once and in order', async () => {
    const client = await openStream('/stream?channel=many-1&channel=many-2&channel=many-3')
    for (let n = 1; n <= 30; n += 1) await publish(streamItem(`many-${(n % 3) + 1}`, `${n} `))
    await publish(streamItem('many-1', 'end\n'))
    await client.waitForText('end\n')
    expect(client.text).toBe(`welcome\n${Array.from({ length: 30 }, (_, n) => `${n + 1} `).join('')}end\n`)
  })

  test('a long poll on several channels is answered by the first item of any', async () => {
    const held = (await gateway.metrics()).value('tackboard_response_holds')
    const reader = curl(gateway.httpUrl('/poll?channel=any-1&channel=any-2'))
    await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === held + 1)
    await publish(responseItem('any-2', 'second\n'), responseItem('any-1', 'first\n'))
    expect(await reader.end()).toBe('second\n')
  })

  test('one publish reaches clients on both shards, each item once and in order', async () => {
    const clients = await onePerShard(
      gateway,
      'tackboard_stream_holds',
      () => openStream('/stream?channel=shards'),
      (client) => client.destroy(),
    )
    expect(clients).toHaveLength(2)
    const items = Array.from({ length: 200 }, (_, n) => streamItem('shards', `${n}\n`))
    await publish(...items)
    const wanted = `welcome\n${items.map((_, n) => `${n}\n`).join('')}`
    for (const client of clients) {
      await client.waitForText('199\n')
      expect(client.text).toBe(wanted)
    }
  })

  test('one publish answers long polls on both shards', async () => {
    const clients = await onePerShard(
      gateway,
      'tackboard_response_holds',
      () => {
        const client = StreamClient.send(gateway.ports.http, '/poll?channel=polls')
        cleanups.push(() => client.destroy())
        return Promise.resolve(client)
      },
      (client) => client.destroy(),
    )
    await publish(responseItem('polls', 'to all\n'))
    for (const client of clients) expect(await client.waitForEnd()).toBe('to all\n')
  })

  test('the channels of clients that went are given up, those of long polls after subscription_linger', async () => {
    const client = await openStream('/stream?channel=gone-1&channel=gone-2')
    client.destroy()
    for (const cleanup of cleanups.splice(0)) await cleanup()
    const metrics = await gateway.metricsWhere((values) => values.value('tackboard_subscribed_channels') === 0)
    expect(metrics.value('tackboard_channels')).toBe(0)
    expect(metrics.value('tackboard_stream_holds') + metrics.value('tackboard_response_holds')).toBe(0)
  })
})
