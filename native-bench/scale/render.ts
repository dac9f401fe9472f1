/** The tables of a scale run, in Markdown, and their place in docs/SCALE.md: between `<!-- scale -->` and `<!-- /scale -->`. */
import { fitLine } from './fit.js'
import type { Line } from './fit.js'
import { imbalanceOf } from './imbalance.js'
import type { Kind, ScaleReport, Step } from './scale.js'

const NAMES: Readonly<Record<Kind, string>> = { ws: 'WebSocket', stream: 'held stream' }

export function renderScale({ machine, shards, steps, heartbeats, storms }: ScaleReport): string {
  const head = `Measured at commit ${machine.commit} on ${machine.date.slice(0, 10)}: ${machine.cores} × ${machine.cpu}, Linux ${machine.kernel}, Node.js ${machine.node}, ${shards} shards.`
  const lines = [head, '', ...table(STEP_HEAD, steps.map(stepRow)), '']
  for (const kind of ['ws', 'stream'] as const) {
    const own = steps.filter((step) => step.kind === kind)
    lines.push(fitSentence(NAMES[kind], own), '')
  }
  // 1e6 clients, every 30 s, in seconds of CPU per second.
  const cores = heartbeats.cpuMicros / 30
  lines.push(
    `A heartbeat (ping and pong) costs ${heartbeats.cpuMicros.toFixed(1)} µs (${heartbeats.pings.toLocaleString('en')} of them, ${heartbeats.connections.toLocaleString('en')} WebSockets): every 30 s for a million clients, ${cores.toFixed(2)} cores.`,
    '',
    ...table(
      ['all at once', 'open after', 'CPU of the gateway for each', 'dropped by the kernel', 'errors'],
      storms.map(({ connections, seconds, cpuMicros, drops, errors }) => [
        connections.toLocaleString('en'),
        `${seconds.toFixed(2)} s (${Math.round(connections / seconds).toLocaleString('en')}/s)`,
        `${cpuMicros.toFixed(0)} µs`,
        String(drops),
        errors.length === 0 ? 'none' : errors.join('; '),
      ]),
    ),
  )
  return lines.join('\n')
}

const STEP_HEAD = ['idle', 'connections', 'PSS', 'kernel, both ends', 'CPU', 'shards', 'fullest shard (chance gives)']

function stepRow({ kind, connections, userBytes, kernelBytes, idleCpu, spread }: Step): string[] {
  const { measured, random } = imbalanceOf(spread)
  return [
    NAMES[kind],
    connections.toLocaleString('en'),
    megabytes(userBytes),
    kernelBytes === null ? 'not known' : megabytes(kernelBytes),
    `${(idleCpu * 100).toFixed(1)} %`,
    spread.join(' + '),
    `+${(measured * 100).toFixed(1)} % (±${(random * 100).toFixed(1)} %)`,
  ]
}

function fitSentence(name: string, steps: readonly Step[]): string {
  const user = fitLine(steps.map(({ connections, userBytes }) => ({ x: connections, y: userBytes })))
  const known = steps.flatMap(({ connections, kernelBytes }) =>
    kernelBytes === null ? [] : [{ x: connections, y: kernelBytes / 2 }],
  )
  const kernel = known.length < 2 ? '' : `; in the kernel ${kilobytes(fitLine(known).each)} for the socket of one end`
  return `One ${name}: ${describe(user)}${kernel}.`
}

function describe({ base, each, residual }: Line): string {
  return `${kilobytes(each)} of user memory (a line through the steps, which starts at ${megabytes(base)} and misses none by more than ${megabytes(residual)})`
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(2)} KB`
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}

const START = '<!-- scale -->'
const END = '<!-- /scale -->'

/** `text` with the tables of `report`. Throws when it has no place for them. */
export function replaceTable(text: string, report: ScaleReport): string {
  const from = text.indexOf(START)
  const to = text.indexOf(END)
  if (from < 0 || to < from) throw new Error(`no ${START} … ${END} to write between`)
  const body = `\n\n<!-- prettier-ignore-start -->\n\n${renderScale(report)}\n\n<!-- prettier-ignore-end -->\n\n`
  return `${text.slice(0, from + START.length)}${body}${text.slice(to)}`
}
