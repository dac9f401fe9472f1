/** Tackboard itself: `dist/main.js` as a program, with config/pushpin.conf and what a measurement needs on top. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program } from '../program.js'
import { PROJECT_FOLDER } from '../project.js'
import { answers, waitUntilReady } from './server.js'
import type { Role, Server, ServerKind, StartOptions } from './server.js'

const MAIN = join(PROJECT_FOLDER, 'dist/main.js')

export const tackboard: ServerKind = {
  name: 'tackboard',
  configuration: 'config/pushpin.conf with log_level=1 (no line per request), a shard per core',
  find() {
    if (!existsSync(MAIN)) return { missing: 'dist/main.js is not built' }
    return { version: execFileSync(process.execPath, [MAIN, '--version'], { encoding: 'utf8' }).trim() }
  },
  start,
}

async function start(options: StartOptions): Promise<Server> {
  const { ports, backendPort, pubPort } = options
  const [client, pull, control, sub, command] = [
    await ports.take(),
    await ports.take(),
    await ports.take(),
    await ports.take(),
    await ports.take(),
  ]
  const folder = mkdtempSync(join(tmpdir(), 'native-bench-'))
  const values: Record<string, string> = {
    'global.rundir': folder,
    'runner.http_port': `127.0.0.1:${client}`,
    'runner.log_level': '1',
    'handler.push_in_spec': `tcp://127.0.0.1:${pull}`,
    'handler.push_in_sub_specs': `tcp://127.0.0.1:${pubPort ?? sub}`,
    'handler.push_in_sub_connect': String(pubPort !== null),
    'handler.push_in_http_addr': '127.0.0.1',
    'handler.push_in_http_port': String(control),
    'handler.command_spec': `tcp://127.0.0.1:${command}`,
    ...options.conf,
  }
  const confFile = join(folder, 'pushpin.conf')
  writeFileSync(confFile, withValues(readFileSync(join(PROJECT_FOLDER, 'config/pushpin.conf'), 'utf8'), values))
  const startedMs = performance.now()
  const program = new Program({
    name: 'tackboard',
    command: [process.execPath, MAIN, `--config=${confFile}`, `--route=* 127.0.0.1:${backendPort},over_http`],
    cwd: PROJECT_FOLDER,
  })
  program.keepOutput()
  const stop = async (): Promise<void> => {
    await program.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const isReady = async (): Promise<boolean> =>
      (await answers(control, '/health')) && (await answers(client, '/plain'))
    const readyMs = await waitUntilReady(program, startedMs, isReady)
    return { program, readyMs, roles: gripRoles(client, pull, control, pubPort), dropped: () => drops(control), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Sets `section.key`s in the text of a pushpin.conf. */
export function withValues(text: string, values: Readonly<Record<string, string>>): string {
  const left = new Map(Object.entries(values))
  const lines: string[] = []
  let section = ''
  const endSection = (): void => {
    for (const [name, value] of left) {
      if (!name.startsWith(`${section}.`)) continue
      lines.push(`${name.slice(section.length + 1)}=${value}`)
      left.delete(name)
    }
  }
  for (const line of text.split('\n')) {
    const header = /^\[(\w+)\]/.exec(line)
    if (header !== null) {
      endSection()
      section = header[1] ?? ''
    }
    const name = `${section}.${/^(\w+)\s*=/.exec(line)?.[1] ?? ''}`
    const value = left.get(name)
    lines.push(value === undefined ? line : line.replace(/=.*/, () => `=${value}`))
    left.delete(name)
  }
  endSection()
  for (const [name, value] of left) {
    const dot = name.indexOf('.')
    lines.push(`[${name.slice(0, dot)}]`, `${name.slice(dot + 1)}=${value}`)
  }
  return `${lines.join('\n')}\n`
}

/** The doors of Tackboard and of Pushpin are the same. */
export function gripRoles(
  client: number,
  pull: number,
  control: number,
  pubPort: number | null,
): Readonly<Partial<Record<Role, readonly string[]>>> {
  const port = `--port=${client}`
  return {
    ws: [port],
    stream: [port],
    publish: ['--publish=push', `--publish-port=${pull}`],
    ...(pubPort === null ? {} : { 'publish-pub': ['--publish=pub-bind', `--publish-port=${pubPort}`] }),
    'publish-http': ['--publish=http', `--publish-port=${control}`],
    open: [port, '--path=/ws?channel=bench'],
    echo: [port, '--path=/echo'],
    plain: [port, '--path=/plain'],
  }
}

async function drops(control: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${control}/metrics`)).text()
  let sum = 0
  for (const [, name = '', labels = '', value] of text.matchAll(/^(\w+)(\{.*\})? ([\d.e+]+)$/gm)) {
    if (name === 'tackboard_drops_total' && !/reason="(ws_)?pong"/.test(labels)) sum += Number(value)
  }
  return sum
}
