/** Links of holds: pages behind next links, and what is told by gone links. */
import type { BackendCall } from '../../scripted-backend.js'
import type { Scenario } from '../scenario.js'
import type { World } from '../world.js'
import { quiet } from '../world.js'

const AREA = 'links'

/** One answer of the backend; CHANNEL and SCENE in it are the scenario's. */
interface Page {
  readonly status?: number
  readonly headers?: readonly string[]
  readonly body?: string
  /** Instead of an answer. */
  readonly act?: (call: BackendCall) => void
}

interface Requests {
  /** Method, path, body, and every header but Host and User-Agent; the signature by its name. */
  readonly seen: string[]
  arrived(count: number): Promise<void>
}

/** Each path has its answers in turn, the last of them for ever. */
function serving(world: World, pages: Readonly<Record<string, readonly Page[]>>): Requests {
  const seen: string[] = []
  const waiting: (() => void)[] = []
  const turns = new Map<string, number>()
  world.onCall((call) => {
    const named = (text: string): string => text.replaceAll(world.channel, 'CHANNEL').replaceAll(world.scene, 'SCENE')
    const path = named(call.url).slice('/SCENE'.length)
    const lasts: string[] = []
    for (let index = 0; index < call.rawHeaders.length; index += 2) {
      if (call.rawHeaders[index] === 'Grip-Last') lasts.push(`[${named(call.rawHeaders[index + 1] as string)}]`)
    }
    seen.push([call.method, path, ...lasts.sort()].join(' '))
    const answers = pages[path.split('?', 1)[0] as string] ?? [{ status: 404 }]
    const turn = turns.get(path) ?? 0
    turns.set(path, turn + 1)
    const { status = 200, headers = [], body = '', act } = answers[Math.min(turn, answers.length - 1)] as Page
    call.response.sendDate = false
    const filled = headers.map((text) => text.replaceAll('CHANNEL', world.channel).replaceAll('SCENE', world.scene))
    if (act !== undefined) act(call)
    else call.answer(status, [...filled, 'Content-Length', String(body.length)], Buffer.from(body, 'latin1'))
    for (const wake of waiting.splice(0)) wake()
  })
  return {
    seen,
    arrived: async (count) => {
      while (seen.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}

const PLAIN = ['Content-Type', 'text/plain']
const next = (path: string, timeout?: number): string[] => [
  'Grip-Link',
  `</SCENE${path}>; rel=next${timeout === undefined ? '' : `; timeout=${timeout}`}`,
]
const ID_FORMAT = ['Grip-Set-Meta', 'id_format=x']
const holding = (channels = 'CHANNEL'): string[] => ['Grip-Hold', 'stream', 'Grip-Channel', channels]

interface Stream {
  /** Body bytes up to and including `marker`, chunks joined. */
  until(marker: string): Promise<string>
  /** The rest of the body, when it has ended. */
  ended(): Promise<string>
  destroy(): void
}

async function open(world: World, { path = '/start', host = 'any.test', more = '' } = {}): Promise<Stream> {
  const client = await world.client()
  await client.send(`GET ${world.path(path)} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`)
  const head = (await client.readUntil('\r\n\r\n')).toString('latin1')
  if (/content-length/i.test(head)) {
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1])
    const body = (await client.readExactly(length)).toString('latin1')
    return { until: async () => body, ended: async () => body, destroy: () => client.destroy() }
  }
  let body = ''
  let isEnded = false
  let isFirst = true
  const chunk = async (): Promise<void> => {
    // uWebSockets.js writes what ends a chunk together with the next one.
    if (!isFirst) await client.readExactly(2)
    isFirst = false
    const size = Number.parseInt((await client.readUntil('\r\n')).toString('latin1'), 16)
    body += (await client.readExactly(size)).toString('latin1')
    isEnded = size === 0
  }
  return {
    until: async (marker) => {
      while (!body.includes(marker)) {
        if (isEnded) throw new Error(`the body ended before ${marker}: ${body}`)
        await chunk()
      }
      const at = body.indexOf(marker) + marker.length
      const taken = body.slice(0, at)
      body = body.slice(at)
      return taken
    },
    ended: async () => {
      while (!isEnded) await chunk()
      return body
    },
    destroy: () => client.destroy(),
  }
}

interface ItemFields {
  readonly id?: string
  readonly prev?: string
}

function item(world: World, content: string, { id, prev }: ItemFields = {}, channel = world.channel) {
  const action = ['HINT', 'CLOSE'].includes(content) ? { action: content.toLowerCase() } : { content }
  return {
    channel,
    ...(id === undefined ? {} : { id }),
    ...(prev === undefined ? {} : { 'prev-id': prev, 'no-seq': true }),
    formats: { 'http-stream': action },
  }
}

/** No first subscription that would fetch as well. */
const settled = (): Promise<void> => quiet(1_800)

const failing: Page = { status: 500, body: 'no' }

const nextLinks: Scenario[] = [
  {
    area: AREA,
    name: 'next link: pages follow each other until one has no link',
    expected: [['GET /start', 'GET /two?p=2', 'GET /dir/three', 'GET /dir/four'], 'one\ntwo\nthree\nfour\n'],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/two?p=2')], body: 'one\n' }],
        '/two': [{ headers: ['Grip-Link', '<dir/three>; rel=next'], body: 'two\n' }],
        '/dir/three': [{ headers: ['Grip-Link', '<four>; rel=next'], body: 'three\n' }],
        '/dir/four': [{ body: 'four\n' }],
      })
      const stream = await open(world, { more: 'X-Client: 1\r\nCookie: a=b\r\n' })
      const body = await stream.ended()
      return [requests.seen, body]
    },
  },
  {
    area: AREA,
    name: 'next link: status, headers and an empty body of a page mean nothing',
    expected: 'one\nlast\n',
    run: async (world) => {
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/two')], body: 'one\n' }],
        '/two': [{ status: 204, headers: ['X-Any', '1', ...next('/three')] }],
        '/three': [{ status: 201, body: 'last\n' }],
      })
      const stream = await open(world)
      return stream.ended()
    },
  },
  {
    area: AREA,
    name: 'next link: headers of its request',
    expected: ['Grip-Feature', 'Grip-Last', 'Grip-Sig', 'Host: header.test', 'X-Added: one'],
    run: async (world) => {
      let names: string[] = []
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/page'), ...holding('CHANNEL; prev-id=a')], body: 'one\n' }],
        '/page': [
          {
            act: (call) => {
              const { rawHeaders } = call
              names = rawHeaders.flatMap((name, index) => {
                if (index % 2 === 1 || /^connection$/i.test(name)) return []
                if (/^host$/i.test(name)) return [`Host: ${rawHeaders[index + 1] ?? ''}`]
                return [/^x-added$/i.test(name) ? `X-Added: ${rawHeaders[index + 1] ?? ''}` : name]
              })
              call.answer(200, ['Content-Length', '0'])
            },
          },
        ],
      })
      const stream = await open(world, { host: 'header.test', more: 'X-Client: 1\r\nCookie: a=b\r\n' })
      await stream.until('one\n')
      await world.subscribed()
      await world.publish(item(world, 'HINT', { id: 'b', prev: 'a' }))
      await stream.ended()
      return names.sort()
    },
  },
  {
    area: AREA,
    name: 'next link: a page may begin a hold',
    expected: ['one\ntwo\n', 'item\n'],
    run: async (world) => {
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/two')], body: 'one\n' }],
        '/two': [{ headers: holding(), body: 'two\n' }],
      })
      const stream = await open(world)
      const pages = await stream.until('two\n')
      await world.subscribed()
      await world.publish(item(world, 'item\n'))
      return [pages, await stream.until('item\n')]
    },
  },
  {
    area: AREA,
    name: 'next link: fetched when its time is up, and again',
    slow: true,
    expected: [['GET /start', 'GET /first', 'GET /page', 'GET /page'], 'one\ntwo\nthree\n'],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...next('/first')], body: 'one\n' }],
        '/first': [{ headers: [...holding(), ...next('/page', 1)] }],
        '/page': [{ headers: [...holding(), ...next('/page', 1)], body: 'two\n' }, { body: 'three\n' }],
      })
      const stream = await open(world)
      return [requests.seen, await stream.ended()]
    },
  },
  {
    area: AREA,
    name: 'next link: fetched a second after the first subscription',
    slow: true,
    expected: [['GET /start', 'GET /page'], 'one\ntwo\n'],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...next('/page')], body: 'one\n' }],
        '/page': [{ body: 'two\n' }],
      })
      const stream = await open(world)
      return [requests.seen, await stream.ended()]
    },
  },
  {
    area: AREA,
    name: 'next link: a hint fetches it at once',
    slow: true,
    expected: [['GET /start', 'GET /page', 'GET /page [CHANNEL; last-id=2]'], 'one\n', 'two\n'],
    run: async (world) => {
      const held = [...holding('CHANNEL; prev-id=1'), ...next('/page')]
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...next('/page')], body: 'one\n' }],
        '/page': [{ headers: held }, { body: 'two\n' }],
      })
      const stream = await open(world)
      const first = await stream.until('one\n')
      await settled()
      await world.publish(item(world, 'HINT', { id: '2', prev: '1' }))
      return [requests.seen, first, await stream.ended()].reverse().reverse()
    },
  },
  {
    area: AREA,
    name: 'next link: items that follow are delivered, one that does not is not, and the page brings it',
    expected: [
      ['GET /start', 'GET /page [CHANNEL; last-id=3] [other; last-id=x]'],
      'one\ntwo\nthree\nfour\nfive\nsix\n',
    ],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [
          { headers: [...PLAIN, ...holding('CHANNEL; prev-id=1, other; prev-id=x'), ...next('/page')], body: 'one\n' },
        ],
        '/page': [{ headers: [...holding('CHANNEL; prev-id=5'), ...next('/page')], body: 'four\nfive\n' }],
      })
      const stream = await open(world)
      await world.subscribed()
      await world.publish(item(world, 'two\n', { id: '2', prev: '1' }), item(world, 'three\n', { id: '3', prev: '2' }))
      await world.publish(item(world, 'five\n', { id: '5', prev: '4' }))
      const body = await stream.until('five\n')
      await quiet(200)
      await world.publish(item(world, 'six\n', { id: '6', prev: '5' }))
      const rest = await stream.until('six\n')
      return [requests.seen.slice(0, 2), body + rest]
    },
  },
  {
    area: AREA,
    name: 'next link: items wait for the page, and those it has brought are dropped',
    slow: true,
    expected: 'one\nthree\nfour\n',
    run: async (world) => {
      let page: BackendCall | undefined
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding('CHANNEL; prev-id=1'), ...next('/page')], body: 'one\n' }],
        '/page': [
          {
            act: (call) => {
              page = call
            },
          },
        ],
      })
      const stream = await open(world)
      await world.subscribed()
      await world.publish(item(world, 'HINT', { id: '2', prev: '1' }))
      await requests.arrived(2)
      await world.publish(item(world, 'three\n', { id: '3', prev: '2' }), item(world, 'four\n', { id: '4', prev: '3' }))
      await quiet()
      const channel = `${world.channel}; prev-id=3`
      const link = `<${world.path('/page')}>; rel=next`
      const headers = ['Grip-Hold', 'stream', 'Grip-Channel', channel, 'Grip-Link', link, 'Content-Length', '6']
      page?.answer(200, headers, 'three\n')
      return stream.until('four\n')
    },
  },
  {
    area: AREA,
    name: 'next link: outdated when it begins to hold, the stream fetches it soon',
    expected: [['GET /occupy', 'GET /start', 'GET /page [CHANNEL; last-id=0]'], 'one\ntwo\n'],
    run: async (world) => {
      const requests = serving(world, {
        '/occupy': [{ headers: [...PLAIN, ...holding()], body: 'held\n' }],
        '/start': [{ headers: [...PLAIN, ...holding('CHANNEL; prev-id=0'), ...next('/page')], body: 'one\n' }],
        '/page': [{ body: 'two\n' }],
      })
      const occupant = await open(world, { path: '/occupy' })
      await occupant.until('held\n')
      await world.subscribed()
      await world.publish(item(world, '1\n', { id: '1' }))
      const stream = await open(world)
      return [requests.seen, await stream.ended()]
    },
  },
  {
    area: AREA,
    name: 'next link: a page names the channels that are held after it',
    slow: true,
    expected: ['one\nlater\n', 'of the new\n'],
    run: async (world) => {
      const fresh = `${world.channel}-new`
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...next('/page')], body: 'one\n' }],
        '/page': [{ headers: [...holding('CHANNEL-new'), ...next('/page')], body: 'later\n' }],
      })
      const stream = await open(world)
      const before = await stream.until('later\n')
      await world.subscribed(fresh)
      await world.publish(item(world, 'of the old\n'))
      await world.publish(item(world, 'of the new\n', {}, fresh))
      return [before, await stream.until('of the new\n')]
    },
  },
  {
    area: AREA,
    name: 'next link: implicit channels stay',
    slow: true,
    expected: ['one\nlater\n', 'implied\n'],
    run: async (world) => {
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...next('/page')], body: 'one\n' }],
        '/page': [{ headers: [...holding('CHANNEL-new'), ...next('/page')], body: 'later\n' }],
      })
      const stream = await open(world, { host: 'sub.test' })
      const before = await stream.until('later\n')
      await world.subscribed(`${world.channel}-new`)
      await quiet(200)
      await world.publish(item(world, 'implied\n', {}, 'implied-channel'))
      return [before, await stream.until('implied\n')]
    },
  },
  {
    area: AREA,
    name: 'next link: a publish closes the stream',
    expected: 'one\n',
    run: async (world) => {
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...next('/page')], body: 'one\n' }],
        '/page': [{ headers: [...holding(), ...next('/page')] }],
      })
      const stream = await open(world)
      await world.subscribed()
      await world.publish(item(world, 'CLOSE'))
      return stream.ended()
    },
  },
  {
    area: AREA,
    name: 'next link: build-id of a page writes the ids that its body names, and those of items after it',
    expected: ['one %(a)I %%\ntwo a %\n', 'item x\n'],
    run: async (world) => {
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/two')], body: 'one %(a)I %%\n' }],
        '/two': [{ headers: [...holding('other, CHANNEL; filter=build-id'), ...ID_FORMAT], body: 'two %(a)I %%\n' }],
      })
      const stream = await open(world)
      const pages = await stream.until('%\ntwo a %\n')
      await world.subscribed()
      await world.publish(item(world, 'item %I\n'))
      return [pages, await stream.until('item x\n')]
    },
  },
  {
    area: AREA,
    name: 'next link: build-id of the page before means nothing to a page',
    expected: 'one %\ntwo %%\nthree %\nfour %%\n',
    run: async (world) => {
      const filtered = ['Grip-Channel', 'CHANNEL; filter=build-id', ...ID_FORMAT]
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...filtered, ...next('/two')], body: 'one %%\n' }],
        '/two': [{ headers: next('/three'), body: 'two %%\n' }],
        '/three': [{ headers: [...filtered, ...next('/four')], body: 'three %%\n' }],
        '/four': [{ body: 'four %%\n' }],
      })
      const stream = await open(world)
      return stream.ended()
    },
  },
  {
    area: AREA,
    name: 'next link: build-id of a page without body',
    expected: ['one\n', 'item\n'],
    run: async (world) => {
      serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/two')], body: 'one\n' }],
        '/two': [{ headers: [...holding('CHANNEL; filter=build-id, CHANNEL-plain'), ...ID_FORMAT] }],
      })
      const stream = await open(world)
      const first = await stream.until('one\n')
      await world.subscribed(`${world.channel}-plain`)
      await world.publish(item(world, 'item\n', {}, `${world.channel}-plain`))
      return [first, await stream.until('item\n')]
    },
  },
  ...(
    [
      ['a field without an id', 'page %I', ID_FORMAT, 'No ID specified and no default ID in context at position 6'],
      ['no format, nor a body', '', [], "no sub meta 'id_format'"],
      ['no format', 'page', [], "no sub meta 'id_format'"],
    ] as const
  ).flatMap(([name, body, metas, fault]) =>
    (
      [
        ['any.test', ''],
        ['debug.test', ' in debug mode'],
      ] as const
    ).map(([host, mode]): Scenario => ({
      area: AREA,
      name: `next link: build-id of a page that fails ends the stream: ${name}${mode}`,
      expected: `one\n${mode === '' ? '' : `\n\nfilter error: build-id: ${fault}\n`}`,
      run: async (world) => {
        serving(world, {
          '/start': [{ headers: [...PLAIN, ...next('/page')], body: 'one\n' }],
          '/page': [{ headers: [...holding('CHANNEL; filter=build-id'), ...metas, ...next('/page')], body }],
        })
        const stream = await open(world, { host })
        return stream.ended()
      },
    })),
  ),
  ...(
    [
      ['a response hold', { headers: ['Grip-Hold', 'response', 'Grip-Channel', 'CHANNEL'], body: 'x' }],
      ['an instruct that cannot be read', { headers: ['Grip-Hold', 'nothing'], body: 'x' }],
      ['a prev-id and no link', { headers: holding('CHANNEL; prev-id=1'), body: 'x' }],
    ] as const
  ).flatMap(([name, page]) =>
    (
      [
        ['any.test', ''],
        ['debug.test', ' in debug mode'],
      ] as const
    ).map(([host, mode]): Scenario => ({
      area: AREA,
      name: `next link: ${name} ends the stream${mode}`,
      expected: `one\n${
        {
          'a response hold': mode === '' ? '' : '\n\nNext link returned non-stream hold.\n',
          'an instruct that cannot be read':
            mode === '' ? '' : "\n\nGrip-Hold must be set to either 'response' or 'stream'\n",
          'a prev-id and no link':
            mode === '' ? 'x' : "x\n\nchannel 'CHANNEL' specifies prev-id, but no next link found\n",
        }[name]
      }`,
      run: async (world) => {
        serving(world, {
          '/start': [{ headers: [...PLAIN, ...next('/page')], body: 'one\n' }],
          '/page': [page],
        })
        const stream = await open(world, { host })
        return (await stream.ended()).replaceAll(world.channel, 'CHANNEL')
      },
    })),
  ),
  ...(
    [
      ['a status that is no success', failing],
      ['a redirect', { status: 302, headers: ['Location', '/elsewhere'] }],
      ['a connection that is cut', { act: (call: BackendCall) => call.reset() }],
    ] as const
  ).map(([name, page]): Scenario => ({
    area: AREA,
    name: `next link: after ${name} it is asked for again`,
    slow: true,
    expected: [['GET /start', 'GET /page', 'GET /page'], 'one\nlast\n', true],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/page')], body: 'one\n' }],
        '/page': [page, { body: 'last\n' }],
      })
      const startedMs = performance.now()
      const stream = await open(world)
      const body = await stream.ended()
      return [requests.seen, body, performance.now() - startedMs >= 990]
    },
  })),
  {
    area: AREA,
    name: 'next link: a page that breaks off is not asked for again',
    expected: [['GET /start', 'GET /page'], 'one\npart'],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/page')], body: 'one\n' }],
        '/page': [
          {
            act: (call) => {
              call.writeRaw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart')
              setTimeout(() => {
                call.reset()
              }, 200)
            },
          },
        ],
      })
      const stream = await open(world, { host: 'debug.test' })
      return [requests.seen, await stream.ended()]
    },
  },
  {
    area: AREA,
    name: 'next link: recover fetches it',
    alone: true,
    expected: [['GET /start', 'GET /page', 'GET /page'], 'one\ntwo\n'],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...next('/page')], body: 'one\n' }],
        '/page': [{ headers: [...holding(), ...next('/page')] }, { body: 'two\n' }],
      })
      const stream = await open(world)
      await stream.until('one\n')
      await settled()
      const control = await world.controlClient()
      await control.send('POST /recover/ HTTP/1.1\r\nHost: any.test\r\nContent-Length: 0\r\n\r\n')
      return [requests.seen, (await stream.ended()) === 'two\n' ? 'one\ntwo\n' : 'other']
    },
  },
  {
    area: AREA,
    name: 'next link: keep-alives go on while it is fetched in vain',
    slow: true,
    expected: 'one\nk\nk\n',
    run: async (world) => {
      serving(world, {
        '/start': [
          {
            headers: [...PLAIN, ...holding(), ...next('/page'), 'Grip-Keep-Alive', 'k\\n; format=cstring; timeout=1'],
            body: 'one\n',
          },
        ],
        '/page': [{ act: () => {} }],
      })
      const stream = await open(world)
      await settled()
      const body = await stream.until('k\nk\n')
      return body.replace(/(k\n)+/, 'k\nk\n')
    },
  },
]

const gone = (path = '/gone'): string[] => ['Grip-Link', `</SCENE${path}>; rel=gone`]
const polling = (more: readonly string[] = []): string[] => [
  'Grip-Hold',
  'response',
  'Grip-Channel',
  'CHANNEL',
  ...more,
]

function response(world: World, body: string) {
  const format = body === 'HINT' ? { action: 'hint' } : { body }
  return { channel: world.channel, formats: { 'http-response': format } }
}

async function poll(world: World): Promise<{ answered(): Promise<string>; destroy(): void }> {
  const client = await world.client()
  await client.send(`GET ${world.path('/start')} HTTP/1.1\r\nHost: any.test\r\n\r\n`)
  return {
    answered: async () => (await client.readAnswer()).body.toString('latin1'),
    destroy: () => client.destroy(),
  }
}

const goneLinks: Scenario[] = [
  {
    area: AREA,
    name: 'gone link: told when the client of a stream leaves, without last ids',
    expected: ['GET /start', 'POST /gone?x=1'],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [
          {
            headers: [...PLAIN, ...holding('CHANNEL; prev-id=1'), ...next('/page'), ...gone('/gone?x=1')],
            body: 'one\n',
          },
        ],
        '/gone': [{}],
      })
      const stream = await open(world)
      await stream.until('one\n')
      await world.subscribed()
      stream.destroy()
      await requests.arrived(2)
      return requests.seen
    },
  },
  {
    area: AREA,
    name: 'gone link: told when a publish closes a stream',
    expected: ['one\n', ['GET /start', 'POST /gone']],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...gone()], body: 'one\n' }],
        '/gone': [{}],
      })
      const stream = await open(world)
      await world.subscribed()
      await world.publish(item(world, 'CLOSE'))
      const body = await stream.ended()
      await requests.arrived(2)
      return [body, requests.seen]
    },
  },
  {
    area: AREA,
    name: 'gone link: that of the first answer, whatever the pages say',
    slow: true,
    expected: ['one\ntwo\n', ['GET /start', 'GET /dir/page', 'POST /gone']],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...next('/dir/page'), ...gone()], body: 'one\n' }],
        '/dir/page': [{ headers: gone('/other'), body: 'two\n' }],
        '/gone': [{}],
      })
      const stream = await open(world)
      const body = await stream.ended()
      await requests.arrived(3)
      return [body, requests.seen]
    },
  },
  {
    area: AREA,
    name: 'gone link: told when a publish answers a long poll',
    expected: ['published', ['GET /start', 'POST /gone']],
    run: async (world) => {
      const requests = serving(world, { '/start': [{ headers: [...polling(), ...gone()] }], '/gone': [{}] })
      const client = await poll(world)
      await world.subscribed()
      await world.publish(response(world, 'published'))
      const body = await client.answered()
      await requests.arrived(2)
      return [body, requests.seen]
    },
  },
  {
    area: AREA,
    name: 'gone link: told when the time of a long poll is up',
    slow: true,
    expected: ['time is up', 'POST /gone'],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [
          { headers: [...polling(['Grip-Timeout', '5']), ...gone()], body: 'time is up' },
          { headers: polling(['Grip-Timeout', '5']), body: 'time is up' },
        ],
        '/gone': [{}],
      })
      const client = await poll(world)
      const body = await client.answered()
      await requests.arrived(2)
      return [body, requests.seen[1]]
    },
  },
  {
    area: AREA,
    name: 'gone link: told when the client of a long poll leaves',
    expected: ['GET /start', 'POST /gone'],
    run: async (world) => {
      const requests = serving(world, { '/start': [{ headers: [...polling(), ...gone()] }], '/gone': [{}] })
      const client = await poll(world)
      await world.subscribed()
      client.destroy()
      await requests.arrived(2)
      return requests.seen
    },
  },
  {
    area: AREA,
    name: 'gone link: told before a long poll is sent again',
    expected: ['again', ['GET /start', 'POST /gone', 'GET /start']],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...polling(), ...gone()] }, { body: 'again' }],
        '/gone': [{}],
      })
      const client = await poll(world)
      await world.subscribed()
      await world.publish(response(world, 'HINT'))
      const body = await client.answered()
      return [body, requests.seen]
    },
  },
  ...(
    [
      ['fails', { status: 500, body: 'no' }],
      ['has a body', { body: 'thanks' }],
      ['is a connection that is cut', { act: (call: BackendCall) => call.reset() }],
    ] as const
  ).map(([name, answer]): Scenario => ({
    area: AREA,
    name: `gone link: told once, when its answer ${name}`,
    expected: ['again', ['GET /start', 'POST /gone', 'GET /start']],
    run: async (world) => {
      const requests = serving(world, {
        '/start': [{ headers: [...polling(), ...gone()] }, { body: 'again' }],
        '/gone': [answer],
      })
      const client = await poll(world)
      await world.subscribed()
      await world.publish(response(world, 'HINT'))
      const body = await client.answered()
      await quiet()
      return [body, requests.seen]
    },
  })),
  {
    area: AREA,
    name: 'gone link: headers of its request',
    expected: ['content-length: 0', 'grip-feature', 'grip-sig', 'host: header.test', 'x-added: one'],
    run: async (world) => {
      let names: string[] = []
      const requests = serving(world, {
        '/start': [{ headers: [...PLAIN, ...holding(), ...gone()], body: 'one\n' }],
        '/gone': [
          {
            act: (call) => {
              names = call.rawHeaders.flatMap((text, index) => {
                if (index % 2 === 1) return []
                const name = text.toLowerCase()
                const value = call.rawHeaders[index + 1] ?? ''
                return name === 'connection' ? [] : [name.startsWith('grip-') ? name : `${name}: ${value}`]
              })
              call.answer(200, ['Content-Length', '0'])
            },
          },
        ],
      })
      const stream = await open(world, { host: 'header.test', more: 'X-Client: 1\r\n' })
      await stream.until('one\n')
      stream.destroy()
      await requests.arrived(2)
      return names.sort()
    },
  },
]

export const links: Scenario[] = [...nextLinks, ...goneLinks]
