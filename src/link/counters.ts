/**
 * Counters that shards add to and main reads: one row of doubles per thread in a SharedArrayBuffer, one writer per row.
 *
 * Aligned 8-byte loads and stores do not tear on the 64-bit machines Node runs on, and a reader that is one step
 * behind is harmless, so no atomics are needed. `add` is a plain `values[index] += n`: nothing allocated.
 */

/** name, kind and help text of every per-thread number; the order is the index. Names become Prometheus names. */
export const COUNTERS = [
  ['http_connections', 'gauge', 'HTTP connections open'],
  ['ws_connections', 'gauge', 'WebSocket connections open'],
  ['stream_holds', 'gauge', 'HTTP streams held'],
  ['response_holds', 'gauge', 'HTTP long polls held'],
  ['updatable_holds', 'gauge', 'held requests that can ask their backend again'],
  ['channels', 'gauge', 'channels with a subscriber on this shard'],
  ['requests', 'counter', 'client requests, WebSocket openings included'],
  ['ws_messages_in', 'counter', 'messages from WebSocket clients'],
  ['ws_pings_out', 'counter', 'heartbeats sent'],
  ['ws_messages_out', 'counter', 'messages written to WebSocket clients'],
  ['stream_items_out', 'counter', 'published items written to HTTP streams'],
  ['responses_out', 'counter', 'long polls answered by a published item'],
  ['hold_retries', 'counter', 'held requests sent to the backend again'],
  ['link_fetches', 'counter', 'pages behind links of streams fetched'],
  ['link_failures', 'counter', 'streams ended: their next link could not be fetched, or its page could not be used'],
  ['gone_links', 'counter', 'backends told that a hold is over'],
  ['gone_link_failures', 'counter', 'backends that could not be told, or did not answer with an empty success'],
  ['drop_gone_link', 'counter', 'backends not told that a hold is over: too many wait to be told'],
  ['filter_requests', 'counter', 'requests of the filters http-check and http-modify'],
  ['bus_items', 'counter', 'published items taken from the bus'],
  ['direct_items', 'counter', 'published items taken from publishers the shard is connected to'],
  ['direct_duplicates', 'counter', 'items of such publishers whose id was published before'],
  ['bus_foreign', 'counter', 'bus messages for channels that had gone meanwhile'],
  ['barriers', 'counter', 'subscription barriers answered'],
  ['barriers_resent', 'counter', 'subscription barriers sent again because the answer was late'],
  ['barriers_failed', 'counter', 'subscription barriers given up at their deadline'],
  ['backend_ok', 'counter', 'backend requests answered'],
  ['backend_connect_failed', 'counter', 'backend requests: no connection'],
  ['backend_timeout', 'counter', 'backend requests: time-out'],
  ['backend_tls_failed', 'counter', 'backend requests: TLS failed'],
  ['backend_failed', 'counter', 'backend requests: reset, malformed or unreachable'],
  ['backend_aborted', 'counter', 'backend requests: the client went first'],
  ['ws_retries', 'counter', 'WebSocket-over-HTTP requests sent again'],
  ['drop_ws_backpressure', 'counter', 'items not written: WebSocket client reads too slowly'],
  ['drop_stream_backlog', 'counter', 'items not written: stream client reads too slowly'],
  ['drop_ws_pong', 'counter', 'pongs not written: uWebSockets.js answers pings itself'],
  ['drop_not_live', 'counter', 'items for a channel whose first receivers were still waiting for it'],
  ['drop_filter', 'counter', 'items not written: a filter of the subscription'],
  ['drop_filter_failed', 'counter', 'items not written: the request of http-check or http-modify failed'],
  [
    'drop_filter_queue',
    'counter',
    'items not written: too many waited for a filter that asks the backend, or were unsubscribed from meanwhile',
  ],
  ['drop_rate', 'counter', 'items not written: more wait for message_rate than message_hwm allows'],
  ['filter_errors', 'counter', 'items sent without content: a filter could not make it'],
  ['patch_errors', 'counter', 'long polls answered without a body: a body-patch could not be applied'],
  ['drop_prev_id', 'counter', 'items not written: prev-id of the subscription differs'],
  [
    'drop_link_queue',
    'counter',
    'items not written: too many while a next link was fetched, or made needless by a hint',
  ],
  ['drop_bad_item', 'counter', 'bus or direct messages that could not be read'],
  ['drop_zhttp_late', 'counter', 'packets of workers for sessions that were over'],
  ['stream_dropped_backlog', 'counter', 'streams ended: the client read nothing for too long'],
  [
    'ws_dropped_buffer',
    'counter',
    'a message too long or not to be inflated, or more waiting for the backend than allowed',
  ],
  ['ws_dropped_answer', 'counter', 'the backend answered with what it must not'],
  ['ws_dropped_disconnect', 'counter', 'the backend disconnected or did not answer a close'],
  ['ws_dropped_unanswered', 'counter', 'a request was sent completely and got no answer'],
  ['ws_dropped_unreachable', 'counter', 'the backend could not be reached, retries included'],
  ['ws_dropped_upgrade', 'counter', 'ended by uWebSockets.js with the first byte; see upgrade-shield.ts'],
  ['ws_dropped_heartbeat', 'counter', 'no sign of life for the time-out'],
  ['ws_dropped_barrier', 'counter', 'channels did not become live'],
  ['sockjs_dropped_frame', 'counter', 'SockJS clients that sent something else than messages'],
  ['refused_maxconn', 'counter', 'connections refused: client_maxconn reached'],
  ['callback_errors', 'counter', 'errors caught at a native callback; each ended one session'],
  ['loop_lag_ms', 'gauge', 'event loop lag, worst of the last second, milliseconds'],
] as const

export type CounterName = (typeof COUNTERS)[number][0]

const indexOfName = new Map<string, number>(COUNTERS.map(([name], index) => [name, index]))

/** Doubles per row: the counters, padded to whole cache lines so that threads do not share one. */
const ROW = Math.ceil((COUNTERS.length + 8) / 8) * 8

/** Index by name, for hot code: `counters.values[C.bus_items]++`. */
export const C = Object.fromEntries(COUNTERS.map(([name], index) => [name, index])) as {
  readonly [Name in CounterName]: number
}

export class Counters {
  readonly values: Float64Array

  constructor(memory: SharedArrayBuffer, row: number) {
    this.values = new Float64Array(memory, row * ROW * 8, COUNTERS.length)
  }

  static allocate(rows: number): SharedArrayBuffer {
    return new SharedArrayBuffer(rows * ROW * 8)
  }

  add(name: CounterName, n = 1): void {
    const index = indexOfName.get(name) as number
    this.values[index] = (this.values[index] as number) + n
  }

  get(name: CounterName): number {
    return this.values[indexOfName.get(name) as number] as number
  }
}
