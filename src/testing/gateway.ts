/**
 * The built gateway (dist/main.js) as a child process, for end-to-end tests and benchmarks.
 *
 * Each gateway gets free ports and a folder of its own with its pushpin.conf. What it prints is kept and shown when
 * something fails. A gateway that is still alive when the test process ends is killed.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from './free-ports.js'
import { fetchMetrics } from './metrics.js'
import type { Metrics } from './metrics.js'
import { poll, Waiters, withDeadline } from './wait.js'

/** Top folder of the project: this file runs from src and from dist. */
export const PROJECT_FOLDER = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const MAIN = join(PROJECT_FOLDER, 'dist/main.js')

const START_DEADLINE_MS = 20_000
/** The promise is 4 s from the signal to the exit; the rest is for a busy machine. */
const STOP_DEADLINE_MS = 4_000 + 4_000

export interface GatewayOptions {
  /** Lines of a routes file, handed over by --route. */
  readonly routes?: readonly string[]
  /** Path of a routes file. */
  readonly routesFile?: string
  /** Address that clients connect to; default 127.0.0.1. */
  readonly host?: string
  /** Further `[addr:]port` for clients without TLS. */
  readonly httpPorts?: readonly string[]
  /** `section.key` → value; on top of the ports, which are set by the harness. */
  readonly conf?: Readonly<Record<string, string>>
  /** Further files of its folder, by path below it: certificates, key files. (`{rundir}` in a value of conf is the folder.) */
  readonly files?: Readonly<Record<string, string>>
  /** Default 2. */
  readonly workers?: number
  /** Working directory; default: the project's folder. */
  readonly cwd?: string
  /** Further arguments. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Arguments of node itself, such as --cpu-prof. */
  readonly nodeArgs?: readonly string[]
}

export interface GatewayPorts {
  /** Clients: 7999 */
  readonly http: number
  /** ZeroMQ PULL: 5560 */
  readonly pull: number
  /** HTTP publish and control: 5561 */
  readonly control: number
  /** ZeroMQ SUB: 5562 */
  readonly sub: number
  /** Commands: 5563 */
  readonly command: number
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface FinishedRun extends Exit {
  readonly stdout: string
  readonly stderr: string
}

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

/** Starts a gateway and waits until it says where it listens and its health is good. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const [http, pull, control, sub, command] = (await freePorts(5)) as [number, number, number, number, number]
  const ports: GatewayPorts = { http, pull, control, sub, command }
  const folder = await mkdtemp(join(tmpdir(), 'tackboard-'))
  const confFile = join(folder, 'pushpin.conf')
  await writeFile(confFile, confText(folder, ports, options))
  for (const [path, text] of Object.entries(options.files ?? {})) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  const routes = (options.routes ?? []).map((route) => `--route=${route}`)
  const args = [`--config=${confFile}`, `--workers=${options.workers ?? 2}`, ...routes, ...(options.args ?? [])]
  const gateway = new Gateway(spawnMain(args, options), ports, folder)
  try {
    await gateway.ready()
  } catch (error) {
    await gateway.kill()
    throw error
  }
  return gateway
}

/** Runs the command to its end: --version, --check-config, faulty flags. */
export async function runTackboard(args: readonly string[], options: GatewayOptions = {}): Promise<FinishedRun> {
  const child = spawnMain(args, options)
  const output = collect(child)
  const exit = await withDeadline(
    exitOf(child),
    () => `tackboard ${args.join(' ')} has not ended\n${output.text()}`,
  ).finally(() => child.kill('SIGKILL'))
  return { ...exit, stdout: output.stdout, stderr: output.stderr }
}

export class Gateway {
  readonly ports: GatewayPorts
  /** Its own folder: pushpin.conf, run files. Deleted when it ends. */
  readonly folder: string
  readonly pid: number
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #output: Output

  constructor(child: ChildProcess, ports: GatewayPorts, folder: string) {
    this.#child = child
    this.ports = ports
    this.folder = folder
    this.pid = child.pid ?? 0
    this.#output = collect(child)
    this.exited = exitOf(child).then(async (exit) => {
      await rm(folder, { recursive: true, force: true })
      return exit
    })
  }

  get stdout(): string {
    return this.#output.stdout
  }

  get stderr(): string {
    return this.#output.stderr
  }

  httpUrl(path = '/'): string {
    return `http://127.0.0.1:${this.ports.http}${path}`
  }

  wsUrl(path = '/'): string {
    return `ws://127.0.0.1:${this.ports.http}${path}`
  }

  controlUrl(path = '/'): string {
    return `http://127.0.0.1:${this.ports.control}${path}`
  }

  metrics(): Promise<Metrics> {
    return fetchMetrics(this.controlUrl('/metrics'))
  }

  /** Asks for metrics until `holds` is true of them: counters announce nothing. */
  metricsWhere(holds: (metrics: Metrics) => boolean): Promise<Metrics> {
    let last: Metrics | undefined
    return poll(
      async () => {
        last = await this.metrics()
        return holds(last) ? last : undefined
      },
      () => `metrics are\n${last?.text ?? ''}`,
    )
  }

  /** The first match of `pattern` in what it has printed, or prints from now on. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#output.waiters.until(
      () => pattern.exec(this.stdout) ?? pattern.exec(this.stderr) ?? undefined,
      () => `${String(pattern)} in the output\n${this.#output.text()}`,
    )
  }

  /** Ends it as an operator does. Throws unless it exits with 0 in time. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (!this.#hasEnded) this.#child.kill(signal)
    try {
      const exit = await withDeadline(this.exited, () => `exit after ${signal}`, STOP_DEADLINE_MS)
      if (exit.code !== 0) throw new Error(`ended with ${describeExit(exit)} instead of exit code 0`)
    } catch (error) {
      await this.kill()
      throw new Error(`${(error as Error).message}\n${this.#output.text()}`)
    }
  }

  /** Sends a signal and waits for nothing. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Ends it at once. Also for one that has ended already. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  /** Used by startGateway: printed where it listens, and healthy. */
  async ready(): Promise<void> {
    const ended = this.exited.then((exit) => {
      throw new Error(`the gateway ended with ${describeExit(exit)} before it was ready\n${this.#output.text()}`)
    })
    ended.catch(() => {})
    const printed = this.#output.waiters.until(
      () => this.stdout.includes('tackboard is up') || undefined,
      () => `it says that it is up\n${this.#output.text()}`,
      START_DEADLINE_MS,
    )
    const healthy = (): Promise<boolean> =>
      poll(
        async () => (await statusOf(this.controlUrl('/health'))) === 200 || undefined,
        () => `GET /health answers 200\n${this.#output.text()}`,
        START_DEADLINE_MS,
      )
    try {
      await Promise.race([printed.then(healthy), ended])
    } catch (error) {
      if (this.#hasEnded) await ended // says more
      throw error
    }
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}

function spawnMain(args: readonly string[], options: GatewayOptions): ChildProcess {
  if (!existsSync(MAIN)) throw new Error('dist/main.js is missing: run `npm run build` first')
  const child = spawn(process.execPath, [...(options.nodeArgs ?? []), MAIN, ...args], {
    cwd: options.cwd ?? PROJECT_FOLDER,
    env: { ...process.env, NODE_OPTIONS: '', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  return child
}

function confText(folder: string, ports: GatewayPorts, options: GatewayOptions): string {
  const values: Record<string, string> = {
    'global.rundir': folder,
    'runner.http_port': [`${options.host ?? '127.0.0.1'}:${ports.http}`, ...(options.httpPorts ?? [])].join(','),
    'handler.push_in_spec': `tcp://127.0.0.1:${ports.pull}`,
    'handler.push_in_sub_specs': `tcp://127.0.0.1:${ports.sub}`,
    'handler.push_in_http_addr': '127.0.0.1',
    'handler.push_in_http_port': String(ports.control),
    'handler.command_spec': `tcp://127.0.0.1:${ports.command}`,
    ...(options.routesFile === undefined ? {} : { 'proxy.routesfile': options.routesFile }),
    ...options.conf,
  }
  const sections = new Map<string, string[]>()
  for (const [name, value] of Object.entries(values)) {
    const dot = name.indexOf('.')
    const lines = sections.get(name.slice(0, dot)) ?? []
    sections.set(name.slice(0, dot), [...lines, `${name.slice(dot + 1)}=${value}`])
  }
  return [...sections].map(([section, lines]) => `[${section}]\n${lines.join('\n')}\n`).join('\n')
}

interface Output {
  stdout: string
  stderr: string
  readonly waiters: Waiters
  /** Both, cut to the last lines, for error messages. */
  text(): string
}

function collect(child: ChildProcess): Output {
  const output: Output = {
    stdout: '',
    stderr: '',
    waiters: new Waiters(),
    text: () => `--- stdout\n${output.stdout.slice(-6_000)}\n--- stderr\n${output.stderr.slice(-6_000)}`,
  }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
    output.waiters.changed()
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
    output.waiters.changed()
  })
  child.once('close', () => {
    output.waiters.fail(new Error(`the gateway ended\n${output.text()}`))
  })
  return output
}

/** After 'close' everything it printed has been read. */
function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      resolve({ code, signal })
    })
  })
}

function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`
}

async function statusOf(url: string): Promise<number | null> {
  try {
    const response = await fetch(url)
    await response.arrayBuffer()
    return response.status
  } catch {
    return null
  }
}
