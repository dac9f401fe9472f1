/**
 * The command socket (5563): REQ and DEALER peers of a ROUTER, one reply per request.
 *
 * A ROUTER and not a REP, which stops for good when a request is left without its reply. Pushpin leaves what it cannot
 * read without one, and a REQ peer then waits for ever; here it is told what is wrong (`bad-request`).
 *
 * Requests are worked on side by side, up to a limit, above which no further one is read.
 */
import { Buffer } from 'node:buffer'
import { Router } from 'zeromq'
import { COMMANDS_PENDING_MAX } from '../base/limits.js'
import type { Log } from '../base/log.js'
import {
  decodeZrpcRequest,
  encodeZrpcReply,
  isZrpcFault,
  splitZrpcParts,
  type ZrpcReply,
  type ZrpcRequest,
} from '../wire/zrpc.js'
import { failed } from './commands.js'
import { Warnings } from './warnings.js'
import { bindSocket } from './zmq-bind.js'

export interface CommandSocketOptions {
  readonly spec: string
  /** Mode bits for the file of an ipc:// spec, or null. */
  readonly ipcFileMode: number | null
  readonly log: Pick<Log, 'debug' | 'warn' | 'error'>
  perform(request: ZrpcRequest): Promise<ZrpcReply>
}

export interface CommandSocket {
  /** Where it is bound; a wildcard port is filled in. */
  readonly endpoint: string
  close(): Promise<void>
}

/** Rejects with an error that names the setting and the spec when the socket cannot be bound. */
export async function openCommandSocket(options: CommandSocketOptions): Promise<CommandSocket> {
  const server = new CommandServer(options)
  const endpoint = await server.bind()
  return { endpoint, close: () => server.close() }
}

class CommandServer {
  readonly #options: CommandSocketOptions
  readonly #socket = new Router({ linger: 0, sendTimeout: 0, receiveHighWaterMark: COMMANDS_PENDING_MAX })
  readonly #warnings: Warnings
  #reading: Promise<void> = Promise.resolve()
  #pending = 0
  /** Set while as many requests are pending as may be. */
  #wake: (() => void) | null = null
  #closed = false

  constructor(options: CommandSocketOptions) {
    this.#options = options
    this.#warnings = new Warnings('command', 'answering bad-request', options.log)
  }

  async bind(): Promise<string> {
    const { spec, ipcFileMode } = this.#options
    try {
      const endpoint = await bindSocket(this.#socket, spec, 'command_spec', ipcFileMode)
      this.#reading = this.#read()
      return endpoint
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#wake?.()
    this.#socket.close()
    await this.#reading
    this.#warnings.close()
  }

  async #read(): Promise<void> {
    while (!this.#closed) {
      let parts: Buffer[]
      try {
        parts = await this.#socket.receive()
      } catch (error) {
        if (this.#isClosed()) return
        // A receive fails only when the socket is gone; going on would spin.
        this.#options.log.error({ err: error }, 'command: the socket failed and takes nothing any more')
        return
      }
      this.#pending++
      void this.#answer(parts).finally(() => {
        this.#pending--
        this.#wake?.()
      })
      while (this.#pending >= COMMANDS_PENDING_MAX && !this.#isClosed()) {
        await new Promise<void>((resolve) => (this.#wake = resolve))
      }
      this.#wake = null
    }
  }

  /** For the places where close() may have been called during an await. */
  #isClosed(): boolean {
    return this.#closed
  }

  async #answer(parts: readonly Buffer[]): Promise<void> {
    const { way, content } = splitZrpcParts(parts)
    const reply = await this.#replyTo(content)
    if (this.#closed) return
    try {
      await this.#socket.send([...way, reply])
    } catch (error) {
      // The peer has gone, or reads nothing: its reply is lost, and only its own.
      this.#options.log.debug({ err: error }, 'command: a reply could not be sent')
    }
  }

  async #replyTo(content: Buffer | null): Promise<Buffer> {
    const { log } = this.#options
    const request = decodeZrpcRequest(content ?? EMPTY)
    if (isZrpcFault(request)) {
      const fault =
        content === null ? 'Invalid format: request is not an empty part and one part of content' : request.fault
      this.#warnings.warn(fault)
      return encodeZrpcReply(failed('bad-request', fault), request)
    }
    try {
      const reply = await this.#options.perform(request)
      log.debug({ method: request.method, condition: reply.success ? null : reply.condition }, 'command')
      return encodeZrpcReply(reply, request)
    } catch (error) {
      log.error({ err: error, method: request.method }, 'command failed')
      return encodeZrpcReply(failed('internal-error'), request)
    }
  }
}

const EMPTY = Buffer.alloc(0)
