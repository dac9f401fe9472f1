/** A server under test, as the works see it: how the load client reaches it, what it has dropped, which processes it is. */
import http from 'node:http'
import { connect, createServer } from 'node:net'
import type { Program } from '../program.js'

export const SERVER_NAMES = ['tackboard', 'uws', 'pushpin', 'nchan', 'nats', 'nginx', 'nginx-default'] as const
export type ServerName = (typeof SERVER_NAMES)[number]

/**
 * What the load client may do with a server.
 *
 * - `ws`, `stream`: receivers; `{c}` in their paths is the channel
 * - `publish`: the cheapest door for single messages (ZeroMQ PUSH where there is one)
 * - `publish-pub`: a ZeroMQ PUB that the server connects to; the server must be started with `pubPort`
 * - `publish-http`: POST /publish/
 * - `open`, `echo`: WebSockets that are only opened, or whose messages come back
 * - `plain`: GET answered with 100 bytes
 */
export const ROLES = ['ws', 'stream', 'publish', 'publish-pub', 'publish-http', 'open', 'echo', 'plain'] as const
export type Role = (typeof ROLES)[number]

export interface StartOptions {
  /** Where the backend listens on 127.0.0.1. */
  readonly backendPort: number
  /** Where a ZeroMQ PUB will listen that the server is to connect to; null: there is none. */
  readonly pubPort: number | null
  /** `section.key` → value of pushpin.conf, for Tackboard only. */
  readonly conf: Readonly<Record<string, string>>
  readonly ports: Ports
}

export interface ServerKind {
  readonly name: ServerName
  /** How it is configured, for the foot of the table. */
  readonly configuration: string
  /** Its version; or why it is not here. */
  find(): { readonly version: string } | { readonly missing: string }
  start(options: StartOptions): Promise<Server>
}

export interface Server {
  readonly program: Program
  /** From its start until it answered: milliseconds. */
  readonly readyMs: number
  /** Arguments for the load client; null: it cannot do that. */
  readonly roles: Readonly<Partial<Record<Role, readonly string[]>>>
  /** Deliveries it has not made and counted as dropped. */
  dropped(): Promise<number>
  stop(): Promise<void>
}

/** Free ports of 127.0.0.1, upwards from a base below those that the kernel gives to outgoing connections. */
export class Ports {
  #next: number
  readonly #base: number

  constructor(base: number) {
    this.#base = base
    this.#next = base
  }

  async take(): Promise<number> {
    for (let tries = 0; tries < 1_000; tries++) {
      const port = this.#next
      // The same ports come again soon, so that a run stays in a small range.
      this.#next = port + 1 < this.#base + 45 ? port + 1 : this.#base
      if (await isFree(port)) return port
    }
    throw new Error(`no free port from ${this.#base} on`)
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(true)))
  })
}

const READY_DEADLINE_MS = 30_000
const READY_INTERVAL_MS = 5

/** Asks `isReady` again and again until it says yes; throws when the program ends before. Resolves to milliseconds. */
export async function waitUntilReady(
  program: Program,
  startedMs: number,
  isReady: () => Promise<boolean>,
): Promise<number> {
  while (!(await isReady())) {
    program.assertAlive()
    if (performance.now() - startedMs > READY_DEADLINE_MS) {
      throw new Error(
        `${program.name} was not ready after ${READY_DEADLINE_MS / 1000} s: ${program.output.slice(-2_000)}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, READY_INTERVAL_MS))
  }
  return performance.now() - startedMs
}

/** Whether GET answers with 200. */
export function answers(port: number, path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get({ port, host: '127.0.0.1', path, agent: false, timeout: 2_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(false))
  })
}

/** Whether somebody listens. */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

export const nothingDropped = (): Promise<number> => Promise.resolve(0)
