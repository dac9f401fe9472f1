/** The process: start, stop, faults, logs, and a flood. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { freePorts } from '../free-ports.js'
import { runTackboard, startGateway } from '../gateway.js'
import type { FinishedRun, Gateway, GatewayOptions } from '../gateway.js'
import { PushPublisher, streamItem } from '../publish.js'
import { RawClient } from '../raw-client.js'
import { ScriptedBackend } from '../scripted-backend.js'
import { StreamClient } from '../stream-client.js'
import { withDeadline } from '../wait.js'
import { answerEvents, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await startGateway({ routes: ['* test'], ...options })
  cleanups.push(() => gateway.kill())
  return gateway
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tackboard-process-'))
  cleanups.push(() => rm(path, { recursive: true, force: true }))
  return path
}

describe('a stop', () => {
  /** Accepts WebSockets; takes uploads and never answers them while they run. */
  async function startBackend(): Promise<ScriptedBackend> {
    const backend = await ScriptedBackend.start(
      async (call) => {
        if (call.url === '/upload') {
          await call.bodyRead
          return call.answer(200, {}, `took ${call.body.length}`)
        }
        const events = decodeEvents(await call.bodyRead)
        const answers = events.map(({ type, content }) => encodeEvent(type, content ?? undefined))
        answerEvents(call, answers, events[0]?.type === 'OPEN' ? GRIP_WITHOUT_PREFIX : {})
      },
      { streaming: true },
    )
    cleanups.push(() => backend.stop())
    return backend
  }

  test.each<NodeJS.Signals>(['SIGTERM', 'SIGINT'])(
    'by %s ends everything held politely, with exit code 0',
    async (signal) => {
      const backend = await startBackend()
      const gateway = await start({ routes: ['*,path_beg=/t test', `* ${backend.target},over_http`] })
      const { http } = gateway.ports
      const streams = await Promise.all(Array.from({ length: 20 }, () => StreamClient.open(http, '/t/stream')))
      const polls = Array.from({ length: 20 }, () => StreamClient.send(http, '/t/response'))
      const sockets = await Promise.all(Array.from({ length: 20 }, () => WsClient.connect(gateway.wsUrl('/ws'))))
      const idle = await RawClient.connect(http)
      const upload = await RawClient.connect(http)
      await upload.send('POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345')
      await backend.received(1, (call) => call.url === '/upload')
      await gateway.metricsWhere((metrics) => metrics.value('tackboard_response_holds') === 20)

      const startedAt = performance.now()
      gateway.signal(signal)
      await gateway.printed(new RegExp(`${signal}: stopping`))
      for (const stream of streams) expect(await stream.waitForEnd()).toBe('[stream opened]\n')
      for (const poll of polls) expect(await poll.waitForEnd()).toBe('nothing for now\n')
      for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 1001 })
      // What was under way may finish.
      await upload.send('67890')
      expect((await upload.readAnswer()).body.toString()).toBe('took 10')
      const closes = await backend.received(20, (call) => call.body.includes('CLOSE'))
      for (const call of closes) {
        expect(decodeEvents(call.body).at(-1)?.type).toBe('CLOSE')
      }
      expect(await gateway.exited).toEqual({ code: 0, signal: null })
      expect(performance.now() - startedAt).toBeLessThan(4_000 + 4_000) // the promise is 4 s; the rest is for a busy machine
      await idle.closed
      expect(gateway.stdout).toContain('"msg":"stopped"')
    },
  )

  test('cuts what does not end by itself: an upload that stalls, a backend that never answers', async () => {
    const backend = await ScriptedBackend.start(() => {}, { streaming: true })
    cleanups.push(() => backend.stop())
    const gateway = await start({ routes: [`* ${backend.target},over_http`] })
    const upload = await RawClient.connect(gateway.ports.http)
    await upload.send('POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345')
    const opening = WsClient.connect(gateway.wsUrl('/ws')).catch((error: unknown) => error)
    const asking = fetch(gateway.httpUrl('/never')).catch((error: unknown) => error)
    await backend.received(3)
    gateway.signal('SIGTERM')
    expect(await withDeadline(gateway.exited, () => 'exit', 8_000)).toEqual({ code: 0, signal: null })
    await upload.closed
    expect(await opening).toBeInstanceOf(Error)
    expect(await asking).toBeDefined()
  })

  test('by a second signal is immediate', async () => {
    const backend = await ScriptedBackend.start(() => {}, { streaming: true })
    cleanups.push(() => backend.stop())
    const gateway = await start({ routes: [`* ${backend.target}`] })
    const client = await RawClient.connect(gateway.ports.http)
    await client.send('GET /never HTTP/1.1\r\nHost: a\r\n\r\n')
    await backend.received(1)
    gateway.signal('SIGTERM')
    await gateway.printed(/SIGTERM: stopping/)
    gateway.signal('SIGINT')
    // A polite end would wait for the backend until its deadline and say so.
    expect(await gateway.exited).toEqual({ code: null, signal: 'SIGINT' })
    expect(gateway.stdout).not.toContain('"msg":"stopped"')
  })
})

describe('a start', () => {
  test.each(['client', 'control', 'pull', 'sub', 'command'] as const)(
    'on a %s port that is taken fails with its address',
    async (which) => {
      const first = await start()
      const second = { ...(await portsOf()), [which]: first.ports[which === 'client' ? 'http' : which] }
      const path = join(await folder(), 'pushpin.conf')
      await writeFile(path, confOf(second))
      const run = await runTackboard([`--config=${path}`, '--workers=1', '--route=* test'])
      expect(run.code).toBe(1)
      expect(run.stderr).toMatch(new RegExp(`^tackboard: .*${second[which]}`, 'm'))
      // The first one serves on.
      expect((await fetch(first.httpUrl('/'))).status).toBe(200)
    },
  )

  async function portsOf(): Promise<Record<'client' | 'control' | 'pull' | 'sub' | 'command', number>> {
    const [client = 0, control = 0, pull = 0, sub = 0, command = 0] = await freePorts(5)
    return { client, control, pull, sub, command }
  }

  function confOf(ports: Awaited<ReturnType<typeof portsOf>>): string {
    return `[runner]\nhttp_port=127.0.0.1:${ports.client}\n[handler]\npush_in_http_port=${ports.control}
push_in_spec=tcp://127.0.0.1:${ports.pull}\npush_in_sub_specs=tcp://127.0.0.1:${ports.sub}
command_spec=tcp://127.0.0.1:${ports.command}\n`
  }
})

describe('configuration', () => {
  const faulty = '[runner]\nhttp_port=99999999\nclient_maxconn=many\n\n[handler]\nmessage_rate=x\nno_such_key=1\n'

  async function confFile(text: string): Promise<string> {
    const path = join(await folder(), 'pushpin.conf')
    await writeFile(path, text)
    return path
  }

  test('with faults in flags, routes and file: all of them at once, with file and line, exit code 2', async () => {
    const path = await confFile(faulty)
    const run = await runTackboard([
      `--config=${path}`,
      '--no-such',
      '--workers=x',
      '--route=* a:b:c',
      '--route=nonsense',
    ])
    expect(run.code).toBe(2)
    expect(run.stdout).toBe('')
    for (const part of [
      '--no-such',
      '--workers',
      '--route:1: ',
      '--route:2: ',
      `${path}:2: `,
      `${path}:3: `,
      `${path}:6: `,
    ]) {
      expect(run.stderr).toContain(part)
    }
  })

  test('with faults in routes only: exit code 2, nothing started', async () => {
    const run = await runTackboard(['--route=* test', '--route=* host:notaport', '--route=justone'])
    expect(run.code).toBe(2)
    expect(run.stderr.trim().split('\n')).toHaveLength(2)
  })

  test('unknown keys are named and do not hinder', async () => {
    const gateway = await start({ conf: { 'runner.no_such_key': '1', 'elsewhere.x': '2' } })
    expect(gateway.stdout).toMatch(/pushpin\.conf:\d+: runner\.no_such_key: unknown key/)
    expect(gateway.stdout).toMatch(/pushpin\.conf:\d+: .*elsewhere/)
  })

  test('a bad line in a routes file is logged with its place and skipped', async () => {
    const routes = join(await folder(), 'routes')
    await writeFile(routes, '# routes\n*,path_beg=/a test\nnonsense\n*,path_beg=/b test\n')
    const gateway = await startGateway({ routesFile: routes })
    cleanups.push(() => gateway.kill())
    expect(gateway.stdout).toContain(`${routes}:3: `)
    expect(gateway.stdout).toContain('routes loaded with 2 entries')
    for (const path of ['/a/', '/b/']) expect((await fetch(gateway.httpUrl(path))).status).toBe(200)
  })

  test('a routes file that is not there is said', async () => {
    const routes = join(await folder(), 'nowhere')
    const gateway = await startGateway({ routesFile: routes })
    cleanups.push(() => gateway.kill())
    expect(gateway.stdout).toContain(`unable to open routes file: ${routes}`)
    expect((await fetch(gateway.httpUrl('/'))).status).toBe(502)
  })

  describe('--check-config', () => {
    const check = async (conf: string, routes: string, ...flags: string[]): Promise<FinishedRun> => {
      const path = await confFile(conf)
      const routesPath = join(await folder(), 'routes')
      await writeFile(routesPath, routes)
      return runTackboard([`--config=${path}`, `--routes=${routesPath}`, '--check-config', ...flags])
    }

    test('ends with 0 when all is well', async () => {
      const run = await check('[runner]\nhttp_port=7999\nclient_maxconn=100\n', '* test\n')
      expect([run.code, run.stdout, run.stderr]).toEqual([0, 'configuration is fine\n', ''])
    })

    test.runIf(process.platform === 'linux')('says what the system is too small for, and ends with 0', async () => {
      const run = await check('[runner]\nhttp_port=7999\nclient_maxconn=100000000\n', '* test\n')
      expect([run.code, run.stderr]).toEqual([0, ''])
      expect(run.stdout).toMatch(/^this process may open \d+ files, client_maxconn=100000000 .*LimitNOFILE=\d+/m)
      expect(run.stdout).toMatch(/configuration is fine\n$/)
    })

    test.each<[string, string, string, string[], RegExp]>([
      ['a bad value', '[runner]\nclient_maxconn=many\n', '* test\n', [], /pushpin\.conf:2: runner\.client_maxconn/],
      [
        'an unknown key',
        '[runner]\nno_such_key=1\n',
        '* test\n',
        [],
        /pushpin\.conf:2: runner\.no_such_key: unknown key/,
      ],
      ['a bad line of routes', '[runner]\nhttp_port=7999\n', '* test\nnonsense\n', [], /routes:2: /],
      ['a bad flag', '[runner]\nhttp_port=7999\n', '* test\n', ['--port=x'], /--port: /],
    ])('ends with 2 on %s', async (_name, conf, routes, flags, said) => {
      const run = await check(conf, routes, ...flags)
      expect(run.code).toBe(2)
      expect(run.stderr).toMatch(said)
    })

    test('says faults of the file and of the routes together', async () => {
      const run = await check('[runner]\nhttp_port=7999\nclient_maxconn=many\n', 'nonsense\n')
      expect(run.code).toBe(2)
      expect(run.stderr).toMatch(/pushpin\.conf:3: [^]*routes:1: /)
    })

    test('ends with 2 when the routes file cannot be read', async () => {
      const path = await confFile('[runner]\nhttp_port=7999\n')
      const run = await runTackboard([`--config=${path}`, '--routes=/no/such/routes', '--check-config'])
      expect(run.code).toBe(2)
      expect(run.stderr).toContain('/no/such/routes')
    })
  })

  test('--version and --help', async () => {
    const version = await runTackboard(['--version'])
    expect([version.code, version.stdout]).toEqual([0, 'tackboard 0.1.0\n'])
    const help = await runTackboard(['--help'])
    expect(help.code).toBe(0)
    for (const flag of ['--config', '--port', '--route', '--routes', '--workers', '--check-config', '--version']) {
      expect(help.stdout).toContain(flag)
    }
  })
})

describe('logs', () => {
  test.each(['--logfile', 'logdir'])('go to the file of %s, of all threads, whole lines', async (how) => {
    const path = await folder()
    const file = how === 'logdir' ? join(path, 'tackboard.log') : join(path, 'my.log')
    const gateway = await start(
      how === 'logdir' ? { conf: { 'runner.logdir': path } } : { args: [`--logfile=${file}`] },
    )
    await Promise.all(Array.from({ length: 100 }, async (_, n) => (await fetch(gateway.httpUrl(`/${n}`))).text()))
    await gateway.stop()
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    const records = lines.map((line) => JSON.parse(line) as { msg: string; url?: string })
    expect(records.filter(({ msg }) => msg === 'access')).toHaveLength(100)
    expect(records.at(-1)?.msg).toBe('stopped')
    expect(gateway.stdout).not.toContain('"msg"')
  })

  test('of level 1 have warnings and no access lines', async () => {
    const gateway = await start({ conf: { 'runner.log_level': '1', 'runner.no_such_key': '1' } })
    await (await fetch(gateway.httpUrl('/'))).text()
    await gateway.stop()
    expect(gateway.stdout).toContain('no_such_key')
    expect(gateway.stdout).not.toContain('access')
  })
})

describe('a flood', () => {
  test('of publishes, faster than clients read, keeps memory bounded, and the counts add up', async () => {
    const gateway = await start({ conf: { 'runner.log_level': '1' } })
    const slow = await Promise.all(
      Array.from({ length: 50 }, () => StreamClient.open(gateway.ports.http, '/stream?channel=flood')),
    )
    for (const client of slow) client.socket.pause()
    const before = await memoryBytes(gateway)
    const publisher = PushPublisher.connect(gateway.ports.pull)
    const items = 15_000
    const content = 'x'.repeat(5_000)
    for (let n = 0; n < items; n += 1) await publisher.publish(streamItem('flood', content))
    const metrics = await gateway.metricsWhere((now) => {
      return (
        now.value('tackboard_publish_items_total', { door: 'pull' }) === items &&
        now.value('tackboard_bus_lag_blocks') === 0
      )
    })
    publisher.close()
    expect(metrics.value('tackboard_bus_put_total')).toBe(items)
    const shards = metrics.find('tackboard_stream_holds')
    const holding = shards.filter(({ value }) => value > 0)
    expect(metrics.value('tackboard_bus_items_total')).toBe(items * holding.length)
    const delivered = metrics.value('tackboard_stream_items_out_total')
    const dropped = metrics.value('tackboard_drops_total', { reason: 'stream_backlog' })
    const published = items * slow.length
    // Whoever is cut for never reading again gets nothing more, neither written nor dropped.
    if (holding.reduce((sum, { value }) => sum + value, 0) === slow.length) expect(delivered + dropped).toBe(published)
    else expect(delivered + dropped).toBeLessThanOrEqual(published)
    // 75 MB went in, 3.7 GB would go out: what stays is the backlog of each client, and the collector's leisure.
    expect((await memoryBytes(gateway)) - before).toBeLessThan(600_000_000)
    expect((await fetch(gateway.httpUrl('/'))).status).toBe(200)
    for (const client of slow) client.destroy()
    await gateway.stop()
  })

  async function memoryBytes(gateway: Gateway): Promise<number> {
    const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024
  }
})
