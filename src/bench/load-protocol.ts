/** What the benchmark and its load thread say to each other. */

export interface LoadStart {
  /** Port of the gateway. */
  readonly port: number
  /** One double: units done so far (frames received, or round trips). Written by the load thread only. */
  readonly units: SharedArrayBuffer
}

export type LoadCommand =
  /** WebSockets that only receive. `path` gets the number of the connection for `{n}`. */
  | { readonly kind: 'receive'; readonly connections: number; readonly path: string; readonly frameBytes: number }
  /** WebSockets that send `content` and wait for it to come back, again and again. */
  | { readonly kind: 'echo'; readonly connections: number; readonly path: string; readonly content: string }
  /** HTTP connections that send a request and wait for its answer, again and again. */
  | { readonly kind: 'requests'; readonly connections: number; readonly path: string }
  /** No new round trips; answered when those under way are over. */
  | { readonly kind: 'finish' }
  /** Ends all connections; answered when they are gone. */
  | { readonly kind: 'close' }

export type LoadEvent =
  /** The last command is done. */
  | { readonly kind: 'done'; readonly perConnectionMin: number; readonly perConnectionMax: number }
  /** A connection failed or answered something unexpected: the run is worth nothing. */
  | { readonly kind: 'failed'; readonly message: string }
  /** `units` has grown. */
  | { readonly kind: 'progress' }
