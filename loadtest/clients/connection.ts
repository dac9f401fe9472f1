/** A client's connection, whatever its transport: what the scenarios are written against. */
import type { LookupFunction } from 'node:net'
import type { LoadOptions } from '../options.js'
import type { Target } from './protocol.js'

/** What a connection tells. After `failed` or `closed` nothing more comes; after close() neither comes. */
export interface Sink {
  opened(): void
  /** Message in `bytes` from `start` to `end`; it may be used within the call only. */
  message(bytes: Buffer, start: number, end: number): void
  /** Could not be opened. */
  failed(kind: string, example: string): void
  /** Was open. */
  closed(kind: string, example: string): void
}

export interface Connection {
  /** Resolves when it is gone. */
  close(): Promise<void>
}

/** What all connections of a worker have in common. */
export interface Dial {
  readonly target: Target
  readonly options: LoadOptions
}

export type Connect = (dial: Dial, path: string, sink: Sink) => Connection

/** How long a polite end may take. */
export const CLOSE_DEADLINE_MS = 3_000

/** The resolved address, for whoever asks for the target's host. */
export function lookupOf({ address, family }: Target): LookupFunction {
  return (_hostname, options, callback) => {
    if (options.all === true) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}

/** `host:port` as in a URL. */
export function authorityOf({ hostname, port }: Target): string {
  return `${hostname}:${String(port)}`
}

/** Resolves when `gone` is called, or after the deadline with `force` called. */
export function politely(begin: (gone: () => void) => void, force: () => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      force()
      resolve()
    }, CLOSE_DEADLINE_MS)
    begin(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
