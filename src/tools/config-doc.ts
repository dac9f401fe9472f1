/**
 * Writes the tables of docs/CONFIG.md that come from the code: keys of pushpin.conf and flags. A test compares them.
 *
 *   node dist/tools/config-doc.js [docs/CONFIG.md]
 */
import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { FLAGS } from '../config/cli.js'
import { KEYS } from '../config/table.js'
import type { KeyRow } from '../config/keys/row.js'

const SECTIONS = ['global', 'runner', 'proxy', 'handler'] as const

/** `text` with the generated parts, which stand between `<!-- name -->` and `<!-- /name -->`, made anew. */
export function renderConfigDoc(text: string): string {
  let rendered = replacePart(text, 'flags', flagTable())
  for (const section of SECTIONS) rendered = replacePart(rendered, section, keyTable(section))
  return replacePart(rendered, 'without meaning', meaninglessTable())
}

function replacePart(text: string, name: string, table: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`docs/CONFIG.md has no ${start} … ${end}`)
  return `${text.slice(0, from)}${start}\n\n<!-- prettier-ignore-start -->\n${table}\n<!-- prettier-ignore-end -->\n\n${text.slice(to)}`
}

function flagTable(): string {
  const rows = FLAGS.map((flag) => {
    const spelling = `--${flag.name}${flag.value === null ? '' : `=${flag.value}`}`
    const short = flag.short.map((other) => `, \`${other}\``).join('')
    return [`\`${spelling}\`${short}`, ours(flag.ours) + flag.doc]
  })
  return table(['flag', 'meaning'], rows)
}

function keyTable(section: string): string {
  const rows = KEYS.filter((row) => row.key.startsWith(`${section}.`) && row.meaning.kind !== 'none').map((row) => [
    `\`${row.key.slice(section.length + 1)}\``,
    defaultOf(row),
    rangeOf(row),
    row.meaning.kind === 'used' ? 'yes' : 'not yet',
    ours(row.ours) + row.doc,
  ])
  return table(['key', 'default', 'values', 'works', 'meaning'], rows)
}

function meaninglessTable(): string {
  const rows = KEYS.flatMap((row) =>
    row.meaning.kind === 'none' ? [[`\`${row.key}\``, row.doc, `Because ${row.meaning.because}.`]] : [],
  )
  return table(['key', 'in Pushpin', 'why it has no meaning here'], rows)
}

function defaultOf(row: KeyRow): string {
  const shipped = row.shipped === '' ? 'empty' : `\`${row.shipped}\``
  if (row.absent === undefined || row.absent === row.shipped) return shipped
  return `${shipped}; ${row.absent === '' ? 'empty' : `\`${row.absent}\``} when a file does not name it`
}

const VALUES: Readonly<Record<KeyRow['type'], string>> = {
  text: 'text',
  key: 'key',
  integer: 'integer',
  boolean: '`true`, `false`',
  mode: 'octal',
  choice: '',
  list: 'list',
  listen: 'list of `[addr:]port`',
  'listen tls': 'list of `[addr:]port`',
  local: 'list of paths',
  'listen one': '`[addr:]port`',
  specs: 'list of ZeroMQ end points',
  xff: 'list',
  'log level': '0 to 4',
}

function rangeOf(row: KeyRow): string {
  const unit = row.unit === undefined ? '' : ` ${row.unit}`
  if (row.range !== undefined) return `${row.range[0]} to ${row.range[1]}${unit}`
  if (row.choices === undefined) return VALUES[row.type] + unit
  return row.choices
    .filter((choice) => choice !== '')
    .map((choice) => `\`${choice}\``)
    .join(', ')
}

function ours(isOurs: true | undefined): string {
  return isOurs === true ? '(Ours.) ' : ''
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function isMain(): boolean {
  const script = process.argv[1]
  return script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url)
}

if (isMain()) {
  const path = process.argv[2] ?? 'docs/CONFIG.md'
  writeFileSync(path, renderConfigDoc(readFileSync(path, 'utf8')))
}
