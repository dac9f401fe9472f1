/** `npm run loadtest` as a user runs it, against a gateway: few connections, a second each. No figure is judged. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Command } from '../command.js'
import { freePorts } from '../free-ports.js'
import { type Gateway, PROJECT_FOLDER, startGateway } from '../gateway.js'
import { withDeadline } from '../wait.js'

const SHORT = ['--duration=1', '--warmup=0.3', '--connections=10', '--workers=2', '--drain=10']
const DEADLINE_MS = 60_000

let gateway: Gateway
let backendPort = 0
let folder = ''

beforeAll(async () => {
  ;[backendPort] = (await freePorts(1)) as [number]
  folder = await mkdtemp(join(tmpdir(), 'loadtest-'))
  const routes = ['* demo', `*,path_beg=/own 127.0.0.1:${backendPort},over_http`]
  gateway = await startGateway({ routes })
})

afterAll(async () => {
  await gateway.stop()
  await rm(folder, { recursive: true })
})

interface Run {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(...args: string[]): Command {
  return Command.start(process.execPath, join(PROJECT_FOLDER, 'dist/loadtest/main.js'), ...args)
}

async function finish(command: Command): Promise<Run> {
  const code = await withDeadline(command.exited, () => `end of the load test\n${command.stderr}`, DEADLINE_MS)
  return { code, stdout: command.stdout, stderr: command.stderr }
}

/** Of what --json writes. */
interface Outcome {
  readonly verdict: string
  readonly counts: Readonly<Record<string, number>>
  readonly series: readonly { readonly name: string; readonly count: number }[]
}

/** Runs it and reads its JSON. */
async function measure(scenario: string, ...args: string[]): Promise<Run & { readonly json: Outcome }> {
  const file = join(folder, `${scenario}-${Math.random()}.json`)
  const run = await finish(start(scenario, `--json=${file}`, ...SHORT, ...args))
  return { ...run, json: JSON.parse(await readFile(file, 'utf8').catch(() => 'null')) as Outcome }
}

const byHttp = (): string[] => [`--url=${gateway.httpUrl('')}`, `--publish-url=${gateway.controlUrl('/publish/')}`]
const byZeroMq = (): string[] => [`--url=${gateway.httpUrl('')}`, `--zmq-push=tcp://127.0.0.1:${gateway.ports.pull}`]

describe('every scenario passes', () => {
  test('fanout, publishing by HTTP', async () => {
    const report = join(folder, 'report.html')
    const { code, stdout, json } = await measure('fanout', ...byHttp(), '--rate=50', `--report=${report}`)
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/errors +none/) })
    expect(json).toMatchObject({ verdict: 'passed', connectionsOpened: 10, failures: [] })
    expect(json.counts).toMatchObject({ sent: 65, expected: 650, received: 650, missing: 0 })
    expect(json.series.map(({ name, count }) => [name, count])).toEqual([
      ['delivery', 500],
      ['answer', 50],
      ['connect', 10],
    ])
    expect(await readFile(report, 'utf8')).toMatch(/^<!doctype html>.*<svg .*<\/html>\n$/s)
  })

  test('streams on several channels, publishing by ZeroMQ', async () => {
    const { code, stdout, json } = await measure('streams', ...byZeroMq(), '--rate=100', '--channels=5')
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(json.counts).toMatchObject({ sent: 130, received: 260, missing: 0 })
  })

  test('longpoll', async () => {
    const { code, stdout, json } = await measure('longpoll', ...byHttp(), '--rate=4')
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(json.counts['sent']).toBe(6)
    expect(json.counts['received']).toBeGreaterThanOrEqual(10)
  })

  test('publish, as fast as it goes', async () => {
    const { code, stdout, json } = await measure('publish', ...byHttp(), '--rate=max')
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(json.counts).toMatchObject({ received: (json.counts['sent'] ?? 0) * 10, missing: 0 })
    expect(json.series[0]).toMatchObject({ name: 'answer' })
  })

  test('churn with a first message for each connection', async () => {
    const { code, stdout, json } = await measure('churn', ...byHttp(), '--verify', '--rate=40')
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(json.counts).toMatchObject({ sent: 62, received: 62, missing: 0 })
  })

  test('ws-echo through a backend of its own', async () => {
    const own = [`--url=${gateway.httpUrl('/own/ws')}`, `--backend-port=${backendPort}`]
    const { code, stdout, stderr, json } = await measure('ws-echo', ...own, '--rate=100')
    expect({ code, stdout }).toMatchObject({ code: 0 })
    expect(stderr).toContain(`* 127.0.0.1:${backendPort},over_http`)
    expect(json.counts).toMatchObject({ sent: 130, received: 130 })
  })

  test('proxy, as fast as it goes and by a schedule', async () => {
    const fast = await measure('proxy', `--url=${gateway.httpUrl('')}`, '--rate=max')
    const paced = await measure('proxy', `--url=${gateway.httpUrl('')}`, '--rate=200')
    expect(fast).toMatchObject({ code: 0 })
    expect(paced).toMatchObject({ code: 0, json: { counts: { sent: 260, received: 260 } } })
  })
})

describe('what does not work is told', () => {
  test('bad flags: exit code 2', async () => {
    const { code, stderr } = await finish(start('fanout', '--rate=often', '--conections=3'))
    expect(code).toBe(2)
    expect(stderr).toContain('--rate: "often" is not accepted; accepted: a number per second')
    expect(stderr).toContain('--conections: no such flag; did you mean --connections?')
  })

  test('nobody listens: exit code 1', async () => {
    const [port] = (await freePorts(1)) as [number]
    const { code, stderr } = await finish(start('fanout', `--url=http://127.0.0.1:${port}`))
    expect(code).toBe(1)
    expect(stderr).toContain('Is the gateway running?')
  })

  test('the publish port of another gateway', async () => {
    const { code, stderr } = await finish(
      start('fanout', `--url=${gateway.httpUrl('')}`, `--publish-url=${gateway.httpUrl('/nothing')}`),
    )
    expect(code).toBe(1)
    expect(stderr).toContain('rejected with status 404')
    expect(stderr).toContain('--publish-url')
  })

  test('a gateway that ends under the load: what closed, and exit code 1', async () => {
    const other = await startGateway({ routes: ['* demo'] })
    onTestFinished(() => other.kill())
    const command = start(
      ...['fanout', `--url=${other.httpUrl('')}`, `--publish-url=${other.controlUrl('/publish/')}`],
      ...['--connections=10', '--workers=2', '--duration=30', '--warmup=0', '--drain=0'],
    )
    await other.metricsWhere((metrics) => metrics.value('tackboard_bus_items_total') >= 6)
    await other.kill()
    const { code, stdout } = await finish(command)
    expect(code).toBe(1)
    expect(stdout).toMatch(/10 +closed with code 1006/)
  })

  test('a publish door that ends under the load: what its publishers saw', async () => {
    const other = await startGateway({ routes: ['* demo'] })
    onTestFinished(() => other.kill())
    const command = start(
      ...['publish', `--url=${other.httpUrl('')}`, `--publish-url=${other.controlUrl('/publish/')}`, '--rate=50'],
      ...['--connections=0', '--workers=2', '--duration=4', '--warmup=0', '--drain=0'],
    )
    await other.metricsWhere((metrics) => metrics.value('tackboard_publish_items_total', { door: 'http' }) >= 3)
    await other.kill()
    const { code, stdout } = await finish(command)
    expect(code).toBe(1)
    expect(stdout).toMatch(/publish: connect(ion)? (refused|reset|closed before the answer)/)
  })
})
