/** Values of flags: each reader gives the value, or a fault that says what is accepted. */

export class FlagFault {
  /** What is accepted: "a whole number from 1 to 10". */
  readonly accepted: string

  constructor(accepted: string) {
    this.accepted = accepted
  }
}

export type Read<T> = (text: string) => T | FlagFault

export function wholeNumber(least: number, most: number): Read<number> {
  const fault = new FlagFault(`a whole number from ${grouped(least)} to ${grouped(most)}`)
  return (text) => {
    if (!/^\d+$/.test(text)) return fault
    const value = Number(text)
    return value < least || value > most ? fault : value
  }
}

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds of `10` (seconds), `10s`, `500ms`, `2m`, `1h`. */
export function duration(leastMs: number): Read<number> {
  const least = leastMs === 0 ? '' : `, at least ${String(leastMs / 1_000)} s`
  const fault = new FlagFault(`seconds, or a number with ms, s, m or h${least}`)
  return (text) => {
    const [, number, unit = 's'] = DURATION.exec(text) ?? []
    if (number === undefined) return fault
    const ms = Number(number) * (UNIT_MS[unit] as number)
    return ms < leastMs || ms > DURATION_MS_MAX ? fault : ms
  }
}

/** A day: times within a run fit the stamp, and timers. */
const DURATION_MS_MAX = 24 * 3_600_000

export const RATE_MAX = 1_000_000

/** Per second. */
export const rate: Read<number | 'max'> = (text) => {
  const fault = new FlagFault(`a number per second, above 0 and up to ${grouped(RATE_MAX)}, or max`)
  if (text === 'max') return 'max'
  if (!/^\d+(\.\d+)?$/.test(text)) return fault
  const value = Number(text)
  return value <= 0 || value > RATE_MAX ? fault : value
}

export function oneOf<T extends string>(...values: readonly T[]): Read<T> {
  const fault = new FlagFault(values.join(' or '))
  return (text) => values.find((value) => value === text) ?? fault
}

/** Text that is not empty. */
export const someText: Read<string> = (text) => (text === '' ? new FlagFault('some text') : text)

export interface ClientUrl {
  readonly origin: string
  /** Null: the scenario's own. */
  readonly path: string | null
}

/** Where clients connect. A path may contain `{channel}`, which a URL could not. */
export const clientUrl: Read<ClientUrl> = (text) => {
  const fault = new FlagFault('http://HOST[:PORT][/PATH] or https://…, ws://…, wss://…')
  const [, scheme, authority, path = ''] = /^(http|https|ws|wss):\/\/([^/?#\s]+)(\/[^#\s]*)?$/i.exec(text) ?? []
  if (scheme === undefined || authority === undefined) return fault
  const secure = /s$/i.test(scheme)
  try {
    const { origin, username } = new URL(`${secure ? 'https' : 'http'}://${authority}`)
    if (username !== '') return fault
    return { origin, path: path === '' || path === '/' ? null : path }
  } catch {
    return fault
  }
}

export const publishUrl: Read<string> = (text) => {
  const fault = new FlagFault('http://HOST:PORT/PATH or https://…, such as http://localhost:5561/publish/')
  try {
    const { protocol, href } = new URL(text)
    return protocol === 'http:' || protocol === 'https:' ? href : fault
  } catch {
    return fault
  }
}

export const zmqEndpoint: Read<string> = (text) =>
  /^(tcp:\/\/[^\s:/]+:\d+|tcp:\/\/\[[^\]\s]+\]:\d+|ipc:\/\/\S+)$/.test(text)
    ? text
    : new FlagFault('tcp://HOST:PORT or ipc://FILE, such as tcp://127.0.0.1:5560')

/** `Name: value`. */
export const header: Read<readonly [string, string]> = (text) => {
  const [, name, value] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e\t]*)$/.exec(text) ?? []
  return name === undefined || value === undefined ? new FlagFault("'Name: value' in ASCII") : [name, value]
}

function grouped(number: number): string {
  return number.toLocaleString('en')
}
