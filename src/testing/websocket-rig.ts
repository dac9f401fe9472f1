/**
 * A gateway with two shards in front of one scripted backend whose answers differ by path, for end-to-end tests of
 * WebSocket-over-HTTP. Every `serve` makes a path of its own, so tests share the gateway and not their requests.
 */
import { type Gateway, type GatewayOptions, startGateway } from './gateway.js'
import { publishHttp } from './publish.js'
import { RawClient } from './raw-client.js'
import { type BackendCall, type BackendScript, ScriptedBackend } from './scripted-backend.js'
import { WsClient, type WsClientOptions } from './ws-client.js'
import { upgradeRequest } from './websocket-frames.js'
import { answerEvents, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX, type WsEvent } from './websocket-over-http.js'

export interface WebSocketRigOptions extends Omit<GatewayOptions, 'routes'> {
  readonly routes: (target: string) => readonly string[]
}

export class WebSocketRig {
  readonly backend: ScriptedBackend
  readonly gateway: Gateway
  readonly #scripts: Map<string, BackendScript>
  readonly #clients: { destroy(): void }[] = []
  #served = 0

  private constructor(backend: ScriptedBackend, gateway: Gateway, scripts: Map<string, BackendScript>) {
    this.backend = backend
    this.gateway = gateway
    this.#scripts = scripts
  }

  static async start(options: WebSocketRigOptions): Promise<WebSocketRig> {
    const scripts = new Map<string, BackendScript>()
    const backend = await ScriptedBackend.start((call) => {
      const script = scripts.get(call.url)
      if (script === undefined) throw new Error(`nothing is served at ${call.url}`)
      return script(call)
    })
    const gateway = await startGateway({ ...options, routes: options.routes(backend.target) })
    return new WebSocketRig(backend, gateway, scripts)
  }

  /** Cuts the clients of a test. */
  cut(): void {
    for (const client of this.#clients.splice(0)) client.destroy()
  }

  async stop(): Promise<void> {
    this.cut()
    await this.gateway.stop()
    await this.backend.stop()
  }

  /** A path that nobody else uses, below `below`, answered by `script`. */
  serve(script: BackendScript, below = ''): string {
    this.#served += 1
    const path = `${below}/served/${this.#served}`
    this.#scripts.set(path, script)
    return path
  }

  async connect(path: string, options: WsClientOptions = {}): Promise<WsClient> {
    const client = await WsClient.connect(this.gateway.wsUrl(path), options)
    this.#clients.push({ destroy: () => client.terminate() })
    return client
  }

  /** The upgrade request is sent, nothing is read. */
  async connectRaw(path: string, headers: Readonly<Record<string, string>> = {}): Promise<RawClient> {
    const client = await RawClient.connect(this.gateway.ports.http)
    this.#clients.push(client)
    await client.send(upgradeRequest(path, `127.0.0.1:${this.gateway.ports.http}`, headers))
    return client
  }

  /** The first `count` requests to a path, now or when they have come. */
  requests(path: string, count: number): Promise<BackendCall[]> {
    return this.backend.received(count, (call) => call.url === path)
  }

  async bodies(path: string, count: number): Promise<string[]> {
    return (await this.requests(path, count)).map((call) => call.body.toString('latin1'))
  }

  publish(...items: Parameters<typeof publishHttp>[1][]): Promise<void> {
    return publishHttp(this.gateway.controlUrl('/publish/'), ...items)
  }
}

/** A script that accepts OPEN and answers each other event with what `answer` gives. */
export function accepting(
  answer: (event: WsEvent, call: BackendCall) => readonly Buffer[],
  open: { readonly headers?: Readonly<Record<string, string>>; readonly events?: readonly Buffer[] } = {},
): BackendScript {
  return (call) => {
    const events = decodeEvents(call.body)
    const opens = events[0]?.type === 'OPEN'
    const answers = opens
      ? [encodeEvent('OPEN'), ...(open.events ?? [])]
      : events.flatMap((event) => answer(event, call))
    answerEvents(call, answers, opens ? (open.headers ?? GRIP_WITHOUT_PREFIX) : {})
  }
}

/** Sends messages back as they came, and closes; nothing is said to pings and pongs. */
export function echo({ type, content }: WsEvent): Buffer[] {
  return type === 'TEXT' || type === 'BINARY' || type === 'CLOSE' ? [encodeEvent(type, content ?? undefined)] : []
}

/** What a script waits for before it answers. */
export class Gate {
  readonly opened: Promise<void>
  open: () => void = () => {}

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve
    })
  }
}
