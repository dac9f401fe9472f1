/** What a run is asked to do: plain values, so that they can be handed to worker threads and written to the JSON. */

export const SCENARIOS = ['fanout', 'streams', 'longpoll', 'ws-echo', 'churn', 'publish', 'proxy'] as const
export type Scenario = (typeof SCENARIOS)[number]

/** Where a run publishes. */
export type PublishDoor =
  | { readonly kind: 'http'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  /** ZeroMQ endpoint of the gateway's PULL socket. */
  | { readonly kind: 'zmq-push'; readonly endpoint: string }

/** What churn opens and closes. */
export type ChurnKind = 'ws' | 'stream'

export interface LoadOptions {
  readonly scenario: Scenario
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  /** Path and query; `{channel}` stands for the connection's channel. */
  readonly path: string
  /** Sent with every request of the clients. */
  readonly headers: Readonly<Record<string, string>>
  /** Accept any certificate. */
  readonly insecure: boolean
  readonly connections: number
  /** Per second, over all workers; what is counted is the scenario's: publishes, messages, openings, requests. */
  readonly rate: number | 'max'
  readonly durationMs: number
  readonly warmupMs: number
  /** Time over which the connections are opened. */
  readonly rampMs: number
  /** A connection that is not open, or a request that is not answered, after so long has failed. */
  readonly timeoutMs: number
  /** How long after the end missing messages are waited for while none comes. */
  readonly drainMs: number
  /** A long poll of this age counts as held: it must get what is published. */
  readonly settleMs: number
  /** Null: the scenario publishes nothing. */
  readonly publish: PublishDoor | null
  /** Name of the channel, or what comes before the number when there are several. */
  readonly channel: string
  readonly channels: number
  readonly workers: number
  /** Bytes of a message, or of a response of the load test's own backend. */
  readonly payloadBytes: number
  /** With rate max: publishes under way at a time. */
  readonly inFlight: number
  readonly churnKind: ChurnKind
  /** churn: publish to each connection when it is open, and wait for it. */
  readonly verify: boolean
  /** Port for a backend that the load test starts itself; null: none. */
  readonly backendPort: number | null
  /** What the user calls the thing under test; empty: nothing. */
  readonly label: string
  readonly jsonFile: string | null
  readonly reportFile: string | null
}

/** The channel with number `n` of the run. */
export function channelName(options: Pick<LoadOptions, 'channel' | 'channels'>, n: number): string {
  return options.channels === 1 ? options.channel : `${options.channel}-${String(n)}`
}

/** The path that a client of this channel asks for. */
export function pathOf(path: string, channel: string): string {
  return path.replaceAll('{channel}', encodeURIComponent(channel))
}
