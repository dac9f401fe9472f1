/**
 * The command line of tackboard-publish: the flags of pushpin-publish, and its words for what is wrong with them.
 */
import { parseArgs } from 'node:util'

export interface PublishArguments {
  readonly channel: string
  /** Text, `@` and the path of a file, or with `isPatch` JSON; null: none was given. */
  readonly content: string | null
  readonly action: 'send' | 'hint' | 'close'
  readonly isPatch: boolean
  readonly code: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly meta: readonly (readonly [name: string, value: string])[]
  readonly id: string
  readonly prevId: string
  readonly sender: string
  readonly noSeq: boolean
  /** HTTP content that is no file gets a line end. */
  readonly lineEnd: boolean
  readonly spec: string
  /** Value of an Authorization header, or null. */
  readonly authorization: string | null
}

export type ParsedArguments =
  | { readonly kind: 'publish'; readonly arguments: PublishArguments }
  | { readonly kind: 'help' | 'version' }
  /** `usage`: how it is called is shown below the text. */
  | { readonly kind: 'fault'; readonly text: string; readonly usage: boolean }

const DEFAULT_SPEC = 'http://localhost:5561'
const DEFAULT_CODE = '200'
const CODE_MAX = 999
const USAGE = 'Usage: tackboard-publish [OPTIONS] <channel> [content]'

interface Flag {
  readonly short?: string
  /** What its value is called; absent: it has none. */
  readonly value?: string
  readonly multiple?: true
  readonly help: string
}

const FLAGS = {
  id: { value: 'id', help: 'Payload ID' },
  'prev-id': { value: 'id', help: 'Previous payload ID' },
  sender: { value: 'sender', help: 'Sender meta value' },
  code: { value: 'code', help: `HTTP response code to use [default: ${DEFAULT_CODE}]` },
  header: { short: 'H', value: '"K: V"', multiple: true, help: 'Add HTTP response header' },
  meta: { short: 'M', value: '"K=V"', multiple: true, help: 'Add meta variable' },
  hint: { help: 'Send hint instead of content' },
  close: { help: 'Close streaming and WebSocket connections' },
  patch: { help: 'Content is JSON patch' },
  'no-seq': { help: 'Bypass sequencing buffer' },
  'no-eol': { help: "Don't add newline to HTTP payloads" },
  spec: { value: 'spec', help: `GRIP URL or ZeroMQ PUSH spec [default: $GRIP_URL, or ${DEFAULT_SPEC}]` },
  user: { short: 'u', value: 'user:pass', help: 'Authenticate using basic auth' },
  bearer: { short: 'B', value: 'token', help: 'Authenticate using bearer auth' },
  help: { short: 'h', help: 'Print help' },
  version: { short: 'V', help: 'Print version' },
} as const satisfies Readonly<Record<string, Flag>>
type FlagName = keyof typeof FLAGS
const flagOf = (name: FlagName): Flag => FLAGS[name]

/** `gripUrl`: the environment's GRIP_URL. */
export function parsePublishArguments(argv: readonly string[], gripUrl: string | undefined): ParsedArguments {
  const read = readTokens(argv)
  if (typeof read === 'string') return { kind: 'fault', text: read, usage: true }
  const { values, positionals } = read
  if (values.has('help')) return { kind: 'help' }
  if (values.has('version')) return { kind: 'version' }
  const [channel, content, surplus] = positionals
  if (channel === undefined) {
    return {
      kind: 'fault',
      text: 'error: the following required arguments were not provided:\n  <channel>',
      usage: true,
    }
  }
  if (surplus !== undefined) return { kind: 'fault', text: unexpected(surplus), usage: true }
  try {
    return { kind: 'publish', arguments: interpret(values, channel, content ?? null, gripUrl ?? DEFAULT_SPEC) }
  } catch (error) {
    return { kind: 'fault', text: `Error: ${(error as Error).message}`, usage: false }
  }
}

export function helpText(): string {
  const rows = Object.entries(FLAGS as Readonly<Record<string, Flag>>).map(([name, { short, value, help }]) => {
    const start = short === undefined ? '    ' : `-${short}, `
    return [`${start}--${name}${value === undefined ? '' : ` <${value}>`}`, help] as const
  })
  const width = Math.max(...rows.map(([start]) => start.length))
  return [
    'Publish messages to Tackboard, or to Pushpin',
    '',
    USAGE,
    '',
    'Arguments:',
    '  <channel>  Channel to send to',
    '  [content]  Content to use for HTTP body and WebSocket message; @FILE: the content of a file',
    '',
    'Options:',
    ...rows.map(([start, help]) => `  ${start.padEnd(width)}  ${help}`),
    '',
  ].join('\n')
}

export function usageText(text: string): string {
  return `${text}\n\n${USAGE}\n\nFor more information, try '--help'.\n`
}

type Values = ReadonlyMap<FlagName, readonly string[]>

function unexpected(argument: string): string {
  return `error: unexpected argument '${argument}' found`
}

/** A text says what is wrong. Flags without a value have an empty one. */
function readTokens(argv: readonly string[]): { values: Values; positionals: string[] } | string {
  const options = Object.fromEntries(
    Object.entries(FLAGS as Readonly<Record<string, Flag>>).map(([name, { short, value }]) => [
      name,
      { type: value === undefined ? 'boolean' : 'string', ...(short === undefined ? {} : { short }) } as const,
    ]),
  )
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true })
  const values = new Map<FlagName, string[]>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    if (!Object.hasOwn(FLAGS, name)) return unexpected(rawName)
    const flag = name as FlagName
    const fault = faultOfValue(flag, value, inlineValue === true)
    if (fault !== null) return fault
    const before = values.get(flag) ?? []
    if (before.length > 0 && flagOf(flag).multiple !== true) {
      return `error: the argument '${shown(flag)}' cannot be used multiple times`
    }
    // `-H=A: b` is `-H 'A: b'`.
    const isGlued = inlineValue === true && !rawName.startsWith('--')
    values.set(flag, [...before, isGlued ? (value ?? '').replace(/^=/, '') : (value ?? '')])
  }
  return { values, positionals }
}

function faultOfValue(flag: FlagName, value: string | undefined, isInline: boolean): string | null {
  if (flagOf(flag).value === undefined) {
    if (!isInline) return null
    return `error: unexpected value '${value ?? ''}' for '--${flag}' found; no more were expected`
  }
  if (value === undefined) return `error: a value is required for '${shown(flag)}' but none was supplied`
  // Something that looks like a flag is one.
  return !isInline && value.startsWith('-') && value !== '-' ? unexpected(value) : null
}

function shown(flag: FlagName): string {
  const { value } = flagOf(flag)
  return value === undefined ? `--${flag}` : `--${flag} <${value}>`
}

function interpret(values: Values, channel: string, content: string | null, defaultSpec: string): PublishArguments {
  const text = (flag: FlagName): string => values.get(flag)?.[0] ?? ''
  const code = readCode(values.get('code')?.[0] ?? DEFAULT_CODE)
  const action = values.has('hint') ? 'hint' : values.has('close') ? 'close' : 'send'
  const authorization = readAuthorization(values)
  if (action === 'send') {
    if (code > CODE_MAX) throw new Error(`code must be an integer between 0 and ${String(CODE_MAX)}`)
    if (content === null) throw new Error('must specify content')
  }
  return {
    channel,
    content,
    action,
    isPatch: values.has('patch'),
    code,
    headers: (values.get('header') ?? []).map(readHeader),
    meta: (values.get('meta') ?? []).map((meta) => split(meta, '=', 'meta must be in the form "name=value"')),
    id: text('id'),
    prevId: text('prev-id'),
    sender: text('sender'),
    noSeq: values.has('no-seq'),
    lineEnd: !values.has('no-eol'),
    spec: values.get('spec')?.[0] ?? defaultSpec,
    authorization,
  }
}

/** As an unsigned integer of 16 bits is read. */
function readCode(text: string): number {
  const fault = (what: string): Error => new Error(`failed to parse code: ${what}`)
  if (text === '') throw fault('cannot parse integer from empty string')
  if (!/^\+?\d+$/.test(text)) throw fault('invalid digit found in string')
  if (Number(text) > 0xffff) throw fault('number too large to fit in target type')
  return Number(text)
}

function readAuthorization(values: Values): string | null {
  const [user] = values.get('user') ?? []
  const [bearer] = values.get('bearer') ?? []
  if (user !== undefined && bearer !== undefined) throw new Error('only one authentication method can be specified')
  if (bearer !== undefined) return `Bearer ${bearer}`
  return user === undefined ? null : `Basic ${Buffer.from(user).toString('base64')}`
}

/** The gateway takes no header with a line break in it, and by ZeroMQ it could not say so. */
function readHeader(text: string): [string, string] {
  const header = split(text, ':', 'header must be in the form "name: value"')
  if (/[\r\n]/.test(header.join(''))) throw new Error('header must not contain line breaks')
  return header
}

function split(text: string, separator: string, fault: string): [string, string] {
  const at = text.indexOf(separator)
  if (at === -1) throw new Error(fault)
  return [text.slice(0, at), text.slice(at + 1).trim()]
}
