/** Next links of streams: through the whole HTTP path of a shard, time and channels by hand. */
import { afterEach, describe, expect, test } from 'vitest'
import { LINK_QUEUE_ITEMS_MAX, UPDATES_PER_BATCH_MAX } from '../base/limits.js'
import { HttpRig, publishItem, streamItem } from '../testing/http-rig.js'
import { type BackendCall, type BackendScript, ScriptedBackend } from '../testing/scripted-backend.js'
import { StreamClient } from '../testing/stream-client.js'
import { poll } from '../testing/wait.js'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function startBackend(script: BackendScript): Promise<ScriptedBackend> {
  const backend = await ScriptedBackend.start(script)
  closing.push(() => backend.stop())
  return backend
}

/** For what announces nothing. */
async function until(holds: () => boolean): Promise<void> {
  await poll(
    () => Promise.resolve(holds() || undefined),
    () => holds.toString(),
  )
}

async function setUp(script: BackendScript, routes = '*,prefix=pre- TARGET,sub=implied', conf?: string) {
  const backend = await startBackend(script)
  const options = conf === undefined ? {} : { conf }
  const rig = await HttpRig.start({ routes: routes.replaceAll('TARGET', backend.target), ...options })
  closing.push(async () => {
    await rig.close()
    expect(rig.errors).toEqual([])
    for (const gauge of ['callback_errors', 'stream_holds', 'updatable_holds'] as const) {
      expect([gauge, rig.counters.get(gauge)]).toEqual([gauge, 0])
    }
  })
  return { backend, rig }
}

async function open(rig: HttpRig, path = '/start'): Promise<StreamClient> {
  const client = await StreamClient.open(rig.port, path)
  closing.push(() => {
    client.socket.destroy()
  })
  return client
}

const TEXT = ['Content-Type', 'text/plain']
const hold = (channels = 'c', more: readonly string[] = []): string[] => [
  ...[...TEXT, 'Grip-Hold', 'stream', 'Grip-Channel', channels],
  ...more,
]
const next = (uri = '/page', timeout = 120): string[] => ['Grip-Link', `<${uri}>; rel=next; timeout=${String(timeout)}`]
const gripLasts = ({ rawHeaders }: BackendCall): string[] =>
  rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1] === 'Grip-Last').sort()

/** `/start` holds c behind id 1, with a link to /page, which answers with `page`. */
function linked(page: BackendScript, start = hold('c; prev-id=1', next())): BackendScript {
  return (call) => {
    if (call.url === '/start') return call.answer(200, start, 'start ')
    return page(call)
  }
}

const hint = (channel = 'pre-c', ids: { id?: string; prevId?: string } = { id: '2', prevId: '1' }) =>
  publishItem({ channel, ...ids, httpStream: { action: 'hint', content: Buffer.alloc(0), contentFilters: null } })

describe('back-off', () => {
  test('asks again after 1, 2, 4, 8 and 16 seconds, then the stream ends with the reason', async () => {
    const { backend, rig } = await setUp(
      (call) =>
        call.answer(call.url === '/start' ? 200 : 500, [...TEXT, ...(call.url === '/start' ? next() : [])], 's'),
      '*,debug TARGET',
    )
    const client = await open(rig)
    let asked = 2
    for (const seconds of [1, 2, 4, 8, 16]) {
      await backend.received(asked)
      // The answer comes a moment after the request.
      await until(() => rig.pendingDeadlines > 0)
      rig.advance(seconds * 1_000 - 100)
      expect(backend.calls).toHaveLength(asked)
      rig.advance(200)
      asked++
    }
    await backend.received(asked)
    await client.waitForEnd()
    expect(client.text).toBe('s\n\nFailed to retrieve next link.\n')
    expect([rig.counters.get('link_fetches'), rig.counters.get('link_failures')]).toEqual([6, 1])
    const lines = await rig.loggedLines('link', 6)
    expect(lines.map(({ status, fault }) => [status, fault])).toEqual(Array(6).fill([500, 'status 500']))
  })

  test('each request has its line in the log', async () => {
    const { rig } = await setUp(
      linked((call) => call.answer(200, TEXT, 'page'), hold('c; prev-id=1', next())),
      '*,id=main,prefix=pre- TARGET',
    )
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint())
    await client.waitForEnd()
    const lines = await rig.loggedLines('link')
    const page = { method: 'GET', url: 'http://localhost/page', route: 'main' }
    expect(lines).toMatchObject([{ level: 30, ...page, status: 200, bytes: 4, lastIds: { c: '2' } }])
    expect(lines[0]).not.toHaveProperty('fault')
  })

  test('a page that breaks off in the middle ends the stream', async () => {
    const { backend, rig } = await setUp(
      linked((call) => call.endRaw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'), [...TEXT, ...next()]),
      '*,debug TARGET',
    )
    const client = await open(rig)
    await client.waitForEnd()
    expect(client.text).toBe('start part\n\nFailed to retrieve next link.\n')
    expect(backend.calls).toHaveLength(2)
  })

  test('a page that falls silent in the middle is not begun anew by the next target', async () => {
    const { backend, rig } = await setUp(
      linked(
        ({ response }) => {
          response.writeHead(200, TEXT)
          response.write('part')
        },
        [...TEXT, ...next()],
      ),
      '*,debug TARGET TARGET',
      '[proxy]\nbackend_timeout=10',
    )
    const client = await open(rig)
    await client.waitForText('part')
    rig.advance(10_100)
    await client.waitForEnd()
    expect(client.text).toBe('start part\n\nFailed to retrieve next link.\n')
    expect(backend.calls).toHaveLength(2)
  })

  test('a link that leads nowhere fails like any other', async () => {
    const { backend, rig } = await setUp(linked(() => {}, [...TEXT, ...next('ftp://a.test/x')]))
    const client = await open(rig)
    for (const seconds of [1, 2, 4, 8, 16]) {
      await until(() => rig.pendingDeadlines > 0)
      rig.advance(seconds * 1_000 + 100)
    }
    await client.waitForEnd()
    expect([client.text, backend.calls.length]).toEqual(['start ', 1])
  })

  test('the next target is tried when the first one cannot be reached', async () => {
    const { rig } = await setUp(
      linked((call) => call.answer(200, {}, 'page'), [...TEXT, ...next()]),
      '* 127.0.0.1:1 TARGET',
    )
    const client = await open(rig)
    await client.waitForEnd()
    expect(client.text).toBe('start page')
  })
})

describe('who asks for the same page at the same time', () => {
  test('gets the bytes of one request, those who come in the middle too', async () => {
    let page: BackendCall | undefined
    const { backend, rig } = await setUp(
      linked((call) => {
        page = call
        call.response.writeHead(200, hold('c; prev-id=9', next()))
        call.response.write('first ')
      }),
    )
    const clients = [await open(rig), await open(rig)]
    await rig.hub.subscribed('pre-c', 2)
    rig.hub.publish(hint())
    for (const client of clients) await client.waitForText('start first ')
    const late = await open(rig)
    await rig.hub.subscribed('pre-c', 3)
    rig.hub.publish(hint())
    await late.waitForText('start first ')
    page?.response.end('last')
    for (const client of [...clients, late]) await client.waitForText('start first last')
    expect(backend.calls.map(({ url }) => url)).toEqual(['/start', '/start', '/page', '/start'])
    expect(rig.counters.get('link_fetches')).toBe(1)
  })

  test('however many there are', async () => {
    const { backend, rig } = await setUp(linked((call) => call.answer(200, {}, 'page')))
    const count = UPDATES_PER_BATCH_MAX + 20
    const clients = await Promise.all(Array.from({ length: count }, () => open(rig)))
    await rig.hub.subscribed('pre-c', count)
    rig.listener.recover()
    rig.advance(100)
    rig.advance(50)
    for (const client of clients) await client.waitForEnd()
    expect(backend.calls.filter(({ url }) => url === '/page')).toHaveLength(1)
  })

  test('but not of one with another query, or of one that knows other ids', async () => {
    const { backend, rig } = await setUp((call) => {
      const query = call.url.split('?')[1] ?? ''
      if (call.url.startsWith('/start'))
        return call.answer(200, hold(`c; prev-id=${query}`, next(`/page?${query}`)), 's')
      call.answer(200, {}, query)
    })
    const clients = [await open(rig, '/start?1'), await open(rig, '/start?2')]
    await rig.hub.subscribed('pre-c', 2)
    rig.listener.recover()
    rig.advance(100)
    rig.advance(100)
    for (const client of clients) await client.waitForEnd()
    expect(clients.map(({ text }) => text)).toEqual(['s1', 's2'])
    expect(
      backend.calls
        .slice(2)
        .map((call) => [call.url, ...gripLasts(call)])
        .sort(),
    ).toEqual([
      ['/page?1', 'c; last-id=1'],
      ['/page?2', 'c; last-id=2'],
    ])
  })

  test('a request that nobody waits for any more is given up', async () => {
    const { backend, rig } = await setUp(linked(() => {}, [...TEXT, ...next()]))
    const client = await open(rig)
    await backend.received(2)
    client.socket.destroy()
    expect(await (backend.calls[1] as BackendCall).over).toBe(true)
  })
})

describe('time-outs', () => {
  test('streams of one link ask together, and who had an item waits another period', async () => {
    const start = hold('c', next('/page', 10))
    const { backend, rig } = await setUp((call) => {
      if (call.url === '/busy') return call.answer(200, hold('busy', next('/page', 10)), 'start ')
      return linked((page) => page.answer(200, [], 'page'), start)(call)
    }, '* TARGET')
    const quiet = [await open(rig), await open(rig)]
    const busy = await open(rig, '/busy')
    await rig.hub.subscribed('c', 2)
    await rig.hub.subscribed('busy')
    rig.advance(9_000)
    rig.hub.publish(streamItem('busy', 'item '))
    rig.advance(1_100)
    rig.advance(200)
    for (const client of quiet) await client.waitForEnd()
    expect([quiet.map(({ text }) => text), busy.ended, backend.calls.length]).toEqual([
      ['start page', 'start page'],
      false,
      4,
    ])
    rig.advance(10_000)
    rig.advance(200)
    await busy.waitForEnd()
    expect(busy.text).toBe('start item page')
  })
})

describe('while a page is awaited', () => {
  test('items wait up to a limit, are delivered behind it when they follow, and are counted when not', async () => {
    let page: BackendCall | undefined
    const { backend, rig } = await setUp(
      linked((call) => {
        page = call
      }),
    )
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint())
    await backend.received(2)
    for (let id = 3; id < 3 + LINK_QUEUE_ITEMS_MAX + 5; id++) {
      const content = Buffer.from(`${String(id)} `)
      const httpStream = { action: 'send', content, contentFilters: null } as const
      rig.hub.publish(publishItem({ channel: 'pre-c', id: String(id), prevId: String(id - 1), httpStream }))
      // The bus reads its next message into the same memory.
      content.fill('?')
    }
    expect(rig.counters.get('drop_link_queue')).toBe(5)
    page?.answer(200, hold('c; prev-id=4', next()), '3 4 ')
    await client.waitForText(`${String(LINK_QUEUE_ITEMS_MAX + 2)} `)
    const ids = Array.from({ length: LINK_QUEUE_ITEMS_MAX }, (_, at) => `${String(at + 3)} `)
    expect(client.text).toBe(`start ${ids.join('')}`)
    expect(rig.counters.get('drop_prev_id')).toBe(2)
  })

  test('what asks for one more page gets it afterwards', async () => {
    let pages = 0
    const { backend, rig } = await setUp(
      linked((call) => {
        pages++
        call.answer(200, pages < 2 ? hold('c; prev-id=1', next()) : [], `page${String(pages)} `)
      }),
    )
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint())
    rig.listener.recover()
    await client.waitForText('page1 ')
    await until(() => rig.pendingDeadlines > 0)
    rig.advance(200)
    await client.waitForEnd()
    expect([client.text, backend.calls.length]).toEqual(['start page1 page2 ', 3])
  })

  test('close takes effect behind it', async () => {
    let page: BackendCall | undefined
    const { backend, rig } = await setUp(
      linked((call) => {
        page = call
      }),
    )
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint())
    await backend.received(2)
    rig.hub.publish(
      publishItem({
        ...{ channel: 'pre-c', id: '3', prevId: '2' },
        httpStream: { action: 'close', content: Buffer.alloc(0), contentFilters: null },
      }),
    )
    page?.answer(200, hold('c; prev-id=2', next()), 'page')
    await client.waitForEnd()
    expect(client.text).toBe('start page')
  })
})

describe('the channels of a page', () => {
  const other = (page: BackendScript): BackendScript =>
    linked((call) => (call.url === '/other' ? call.answer(200, TEXT, 'other') : page(call)))

  test('are live when it reaches its client, so that nothing behind it is lost', async () => {
    const { rig } = await setUp(other((call) => call.answer(200, hold('d', next()), 'page ')))
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.isOpen = false
    rig.hub.publish(hint())
    await until(() => rig.hub.waiting === 1)
    // What may go out has gone when another request has been there and back.
    await open(rig, '/other')
    expect(client.text).toBe('start ')
    rig.hub.release()
    rig.hub.publish(streamItem('pre-d', 'item'))
    await client.waitForText('item')
    expect(client.text).toBe('start page item')
    expect([rig.hub.subscribers('pre-c'), rig.hub.subscribers('pre-d')]).toEqual([0, 1])
  })

  test('may be others when it was asked for again, also while the first are not live', async () => {
    const pages: BackendCall[] = []
    const { backend, rig } = await setUp(other((call) => void pages.push(call)))
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.isOpen = false
    rig.hub.publish(hint())
    await backend.received(2)
    const [first] = pages as [BackendCall]
    first.response.writeHead(200, [...hold('d', next()), 'Content-Length', '5'])
    first.response.flushHeaders()
    await until(() => rig.hub.waiting === 1)
    first.response.destroy()
    await until(() => rig.pendingDeadlines > 0)
    rig.advance(1_100)
    await backend.received(3)
    pages[1]?.answer(200, hold('e', next()), 'page ')
    await open(rig, '/other')
    rig.hub.release()
    await until(() => rig.hub.waiting === 1)
    expect(client.text).toBe('start ')
    rig.hub.release()
    await client.waitForText('page ')
    await rig.hub.subscribed('pre-e')
    await until(() => rig.hub.subscribers('pre-c') + rig.hub.subscribers('pre-d') === 0)
  })

  test('that cannot be made live end the stream', async () => {
    const { rig } = await setUp(
      linked((call) => call.answer(200, hold('d', next()), 'page')),
      '*,prefix=pre-,debug TARGET',
    )
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.works = false
    rig.hub.publish(hint())
    await client.waitForEnd()
    expect(client.text).toMatch(/^start (page)?\n\nAccept service unavailable\.\n$/)
  })
})

describe('keep-alives', () => {
  const keepAlive = (content: string): string[] => ['Grip-Keep-Alive', `${content}; timeout=10`]

  test('are those of the latest page', async () => {
    const { rig } = await setUp(
      linked(
        (call) => call.answer(200, hold('c', [...next(), ...keepAlive('new')]), 'page '),
        [...hold('c', next()), ...keepAlive('old')],
      ),
    )
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.advance(10_100)
    await client.waitForText('old')
    rig.hub.publish(hint('pre-c', {}))
    await client.waitForText('page ')
    await until(() => rig.pendingDeadlines > 1)
    rig.advance(10_100)
    await client.waitForText('new')
    expect(client.text).toBe('start oldpage new')
  })

  test('stop with a page that has none', async () => {
    const { rig } = await setUp(
      linked((call) => call.answer(200, hold('c', next())), [...hold('c', next()), ...keepAlive('old')]),
    )
    const client = await open(rig)
    await rig.hub.subscribed('pre-c')
    rig.hub.publish(hint('pre-c', {}))
    await until(() => rig.counters.get('backend_ok') === 2 && rig.hub.waiting === 0)
    // The time-out of the link.
    expect(rig.pendingDeadlines).toBe(1)
    rig.advance(30_000)
    rig.hub.publish(streamItem('pre-c', 'item'))
    await client.waitForText('item')
    expect(client.text).toBe('start item')
  })
})

describe('where a link leads', () => {
  test('a link to another host goes there, signed for the route, with nothing of its options', async () => {
    const other = await startBackend((call) => call.answer(200, [], 'other'))
    const { rig } = await setUp(
      (call) => call.answer(200, [...TEXT, ...next(`http://${other.target}/page?x=1`)], 'start '),
      '*,header=x-a:b,sig_iss=me,sig_key=secret TARGET',
    )
    const client = await open(rig)
    await client.waitForEnd()
    expect(client.text).toBe('start other')
    const [call] = other.calls as [BackendCall]
    expect([call.url, call.header('host'), call.header('x-a')]).toEqual(['/page?x=1', other.target, null])
    expect(call.header('grip-sig')).toMatch(/^ey/)
  })

  test('a path that is none of the route goes to the network, not to the targets of the route', async () => {
    const { backend, rig } = await setUp(
      (call) =>
        call.answer(200, [...TEXT, ...next(call.url === '/api/start' ? '/api/page' : '/secret')], `${call.url} `),
      '*,path_beg=/api TARGET',
    )
    const client = await open(rig, '/api/start')
    await client.waitForText('/api/page ')
    await backend.received(2)
    // `localhost` without a port is nobody here; what matters is that the backend was not asked.
    await until(() => rig.pendingDeadlines > 0)
    expect(backend.calls.map(({ url }) => url)).toEqual(['/api/start', '/api/page'])
  })

  test('is seen from the page that has it', async () => {
    const { backend, rig } = await setUp((call) => {
      const links: Record<string, string> = { '/start': 'a/b/one', '/a/b/one': '../two' }
      const link = links[call.url]
      call.answer(200, [...TEXT, ...(link === undefined ? [] : next(link))], call.url)
    })
    const client = await open(rig)
    await client.waitForEnd()
    expect(backend.calls.map(({ url }) => url)).toEqual(['/start', '/a/b/one', '/a/two'])
  })
})

describe('pages', () => {
  const piece = Buffer.alloc(65_536, 'x')
  const pieces = 500
  let written = 0

  /** 32 MB, as they are taken. */
  const writePage = ({ response }: BackendCall): void => {
    written = 0
    const write = (): void => {
      while (written < pieces) {
        written++
        if (!response.write(piece)) return void response.once('drain', write)
      }
      response.end()
    }
    write()
  }

  test('a client that does not read stops its page, and gets all of it later', async () => {
    const { rig } = await setUp(linked(writePage, [...TEXT, ...next()]))
    const client = await open(rig)
    client.socket.pause()
    let [before, same] = [0, 0]
    await until(() => {
      same = written > 0 && written === before ? same + 1 : 0
      before = written
      return same >= 10
    })
    expect(written).toBeLessThan(pieces)
    client.socket.resume()
    await client.waitForEnd()
    expect(client.text.length).toBe('start '.length + pieces * piece.length)
    expect(rig.counters.get('stream_dropped_backlog')).toBe(0)
  })

  test('a client that does not read does not hold up those who share its page, and is let go', async () => {
    const { backend, rig } = await setUp(linked(writePage))
    const [slow, quick] = [await open(rig), await open(rig)]
    await rig.hub.subscribed('pre-c', 2)
    slow.socket.pause()
    rig.hub.publish(hint())
    await quick.waitForEnd()
    expect(quick.text.length).toBe('start '.length + pieces * piece.length)
    expect(backend.calls.filter(({ url }) => url === '/page')).toHaveLength(1)
    expect(rig.counters.get('stream_dropped_backlog')).toBe(1)
  })

  test('a client that does not read stops the pages behind it, too', async () => {
    const body = Buffer.alloc(65_536, 'x')
    const pages = 500
    const { backend, rig } = await setUp((call) => {
      const page = Number(call.url.split('?')[1] ?? '0')
      call.answer(200, [...TEXT, ...(page === pages ? [] : next(`/page?${String(page + 1)}`))], body)
    })
    const client = await open(rig)
    client.socket.pause()
    let [before, same] = [0, 0]
    await until(() => {
      same = backend.calls.length === before ? same + 1 : 0
      before = backend.calls.length
      return same >= 10
    })
    expect(backend.calls.length).toBeLessThan(pages)
    client.socket.resume()
    await client.waitForEnd()
    expect(client.text.length).toBe((pages + 1) * body.length)
    expect(rig.counters.get('stream_dropped_backlog')).toBe(0)
  })

  test('build-id of its own channels is applied to a page', async () => {
    const { rig } = await setUp(
      linked(
        (call) =>
          call.answer(200, hold('c; filter=build-id', [...next(), 'Grip-Set-Meta', 'id_format="<%(c)s>"']), 'page'),
        [...TEXT, ...next()],
      ),
    )
    const client = await open(rig)
    await client.waitForText('page')
    expect(client.text).toBe('start page')
  })
})
