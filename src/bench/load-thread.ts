/**
 * The clients of a benchmark, in a worker thread. They must be cheap: all sockets read into one buffer, and frames and
 * answers of known size are counted by their length, not parsed.
 */
import net from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { clientFrame, Opcode, upgradeRequest } from '../testing/websocket-frames.js'
import type { LoadCommand, LoadEvent, LoadStart } from './load-protocol.js'

/** Openings under way at a time. */
const OPENING_MAX = 64
const PROGRESS_INTERVAL_MS = 2

const { port, units } = workerData as LoadStart
const unitsDone = new Float64Array(units)
const readBuffer = Buffer.allocUnsafe(256 * 1024)

function say(event: LoadEvent): void {
  parentPort?.postMessage(event)
}

interface ConnectionOptions {
  /** Sent first; null: nothing. Its answer must be a 101. */
  readonly upgrade: string | null
  /** Sent for each round trip; null: only receive. */
  readonly request: Buffer | null
  /** Bytes of one unit; 0: learn from the first answer, an HTTP head with Content-Length. */
  readonly unitBytes: number
}

class Connection {
  readonly socket: net.Socket
  unitsDone = 0
  waiting = false
  readonly #options: ConnectionOptions
  readonly #handleOpen: () => void
  #unitBytes: number
  #bytes = 0
  /** Bytes of a head that is not whole yet. */
  #head = ''
  #opened = false
  /** Start of what came last, for error messages; only kept when it is no whole unit. */
  #last = ''

  constructor(options: ConnectionOptions, handleOpen: () => void) {
    this.#options = options
    this.#unitBytes = options.unitBytes
    this.#handleOpen = handleOpen
    const callback = (length: number, buffer: Uint8Array): boolean => {
      this.#read(buffer as Buffer, length)
      return true
    }
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true, onread: { buffer: readBuffer, callback } })
    this.socket.on('error', (error) => fail(error.message))
    this.socket.on('close', () => {
      if (!closing) fail(`the gateway closed a connection, ${this.#state()}`)
    })
    this.socket.on('connect', () => {
      if (options.upgrade === null) this.#open()
      else this.socket.write(options.upgrade)
    })
  }

  next(): void {
    if (this.#options.request === null || finishing) return
    this.waiting = true
    this.socket.write(this.#options.request)
  }

  #state(): string {
    if (!this.#opened) return `its answer so far: ${JSON.stringify(this.#head)}`
    return `open, ${this.unitsDone} units and ${this.#bytes} bytes received, the last ${JSON.stringify(this.#last)}`
  }

  #open(): void {
    this.#opened = true
    this.#handleOpen()
  }

  #read(buffer: Buffer, length: number): void {
    if (!this.#opened) {
      const rest = this.#readHead(buffer, length)
      if (rest === null) return
      if (!rest.head.startsWith('HTTP/1.1 101 ')) return fail(`the gateway answered ${rest.head}`)
      this.#bytes = rest.more
      return this.#open()
    }
    this.#bytes += length
    if (this.#unitBytes === 0 && !this.#learn(buffer, length)) return
    this.#count()
  }

  #count(): void {
    const whole = Math.floor(this.#bytes / this.#unitBytes)
    if (whole === 0) {
      this.#last = readBuffer.toString('latin1', 0, Math.min(this.#bytes, 64))
      return
    }
    this.#bytes -= whole * this.#unitBytes
    this.unitsDone += whole
    unitsDone[0] = (unitsDone[0] as number) + whole
    if (this.#options.request === null) return
    if (whole > 1 || this.#bytes > 0) return fail('an answer has another length than the first')
    this.waiting = false
    this.next()
    if (finishing) finishWhenIdle()
  }

  /** The head when it is whole, and how many bytes came after it. */
  #readHead(buffer: Buffer, length: number): { readonly head: string; readonly more: number } | null {
    const before = this.#head.length
    this.#head += buffer.toString('latin1', 0, length)
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return null
    return { head: this.#head.slice(0, end), more: before + length - end - 4 }
  }

  #learn(buffer: Buffer, length: number): boolean {
    const rest = this.#readHead(buffer, length)
    if (rest === null) return false
    const contentLength = /\r\ncontent-length: *(\d+)/i.exec(rest.head)?.[1]
    if (!rest.head.startsWith('HTTP/1.1 200 ') || contentLength === undefined) {
      fail(`the gateway answered ${rest.head}`)
      return false
    }
    this.#unitBytes = rest.head.length + 4 + Number(contentLength)
    return true
  }
}

let connections: Connection[] = []
let finishing = false
let closing = false
let failed = false

function fail(message: string): void {
  if (failed) return
  failed = true
  closing = true
  say({ kind: 'failed', message })
  for (const { socket } of connections) socket.destroy()
}

/** Opens them, a few at a time; done when all are open. */
function open(count: number, optionsOf: (n: number) => ConnectionOptions): void {
  let started = 0
  let opened = 0
  const startNext = (): void => {
    if (started < count && !failed) {
      connections.push(new Connection(optionsOf(started), handleOpen))
      started += 1
    }
  }
  const handleOpen = (): void => {
    opened += 1
    if (opened === count) {
      for (const connection of connections) connection.next()
      done()
    } else {
      startNext()
    }
  }
  for (let i = 0; i < OPENING_MAX; i += 1) startNext()
}

function done(): void {
  const counts = connections.map((connection) => connection.unitsDone)
  const smallest = counts.reduce((least, n) => Math.min(least, n), Infinity)
  say({ kind: 'done', perConnectionMin: smallest, perConnectionMax: counts.reduce((most, n) => Math.max(most, n), 0) })
}

function finishWhenIdle(): void {
  if (connections.every((connection) => !connection.waiting)) done()
}

function close(): void {
  closing = true
  let open = connections.length
  const gone = (): void => {
    open -= 1
    if (open > 0) return
    connections = []
    closing = false
    done()
  }
  if (open === 0) return done()
  for (const { socket } of connections) {
    socket.once('close', gone)
    socket.destroy()
  }
}

function obey(command: LoadCommand): void {
  finishing = command.kind === 'finish'
  switch (command.kind) {
    case 'receive':
      open(command.connections, (n) => ({
        upgrade: upgradeRequest(command.path.replace('{n}', String(n)), 'bench'),
        request: null,
        unitBytes: command.frameBytes,
      }))
      break
    case 'echo': {
      const request = clientFrame(Opcode.Text, command.content)
      const upgrade = upgradeRequest(command.path, 'bench')
      // What comes back is the same frame without its four bytes of mask.
      open(command.connections, () => ({ upgrade, request, unitBytes: request.length - 4 }))
      break
    }
    case 'requests': {
      const request = Buffer.from(`GET ${command.path} HTTP/1.1\r\nHost: bench\r\n\r\n`)
      open(command.connections, () => ({ upgrade: null, request, unitBytes: 0 }))
      break
    }
    case 'finish':
      finishWhenIdle()
      break
    case 'close':
      close()
      break
  }
}

parentPort?.on('message', obey)

let reported = 0
setInterval(() => {
  const now = unitsDone[0] as number
  if (now === reported) return
  reported = now
  say({ kind: 'progress' })
}, PROGRESS_INTERVAL_MS)
