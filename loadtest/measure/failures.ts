/** What went wrong, counted by kind. A kind is a short sentence; no numbers but status and close codes stand in it. */

export interface Failure {
  readonly kind: string
  readonly count: number
  /** What the first one said; empty: no more than its kind. */
  readonly example: string
}

/** Kinds that a server could invent (status codes, close codes) are cut off here. */
const KINDS_MAX = 200
const OTHER = 'other errors'
const EXAMPLE_CHARS_MAX = 200

export class Failures {
  readonly #byKind = new Map<string, { count: number; example: string }>()
  #total = 0

  get total(): number {
    return this.#total
  }

  add(kind: string, example = '', count = 1): void {
    if (count === 0) return
    this.#total += count
    const known = this.#byKind.get(kind) ?? this.#byKind.get(this.#byKind.size < KINDS_MAX ? kind : OTHER)
    if (known !== undefined) {
      known.count += count
      return
    }
    const name = this.#byKind.size < KINDS_MAX ? kind : OTHER
    this.#byKind.set(name, { count, example: example.slice(0, EXAMPLE_CHARS_MAX) })
  }

  /** The most frequent first. */
  list(): Failure[] {
    const failures = [...this.#byKind].map(([kind, { count, example }]) => ({ kind, count, example }))
    return failures.sort((a, b) => b.count - a.count)
  }

  addAll(failures: readonly Failure[]): void {
    for (const { kind, count, example } of failures) this.add(kind, example, count)
  }
}

const KINDS_BY_CODE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect refused',
  ETIMEDOUT: 'connect timed out',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  EMFILE: 'too many open files here (see ulimit -n)',
  ENFILE: 'too many open files on this machine',
  EADDRNOTAVAIL: 'no local port left for a connection',
  ENOTFOUND: 'host name not found',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'connect timed out',
  UND_ERR_HEADERS_TIMEOUT: 'timed out waiting for an answer',
  UND_ERR_BODY_TIMEOUT: 'timed out within an answer',
  UND_ERR_SOCKET: 'connection closed before the answer',
}

/** The kind of an error of node:net, node:http, ws or undici. */
export function kindOfError(error: unknown): string {
  const { code, message, errors } = error as { code?: unknown; message?: unknown; errors?: unknown }
  if (typeof code === 'string' && KINDS_BY_CODE[code] !== undefined) return KINDS_BY_CODE[code]
  // Several addresses were tried: the errors of all of them stand inside.
  if (Array.isArray(errors) && errors.length > 0) return kindOfError(errors[0])
  if (message === 'Opening handshake has timed out') return 'connect timed out'
  if (message === 'socket hang up') return 'connection closed before the answer'
  if (typeof code === 'string' && code !== '') return `error ${code}`
  return typeof message === 'string' && message !== '' ? message.slice(0, EXAMPLE_CHARS_MAX) : 'error without a message'
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
