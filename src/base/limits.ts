/**
 * Every cap of the gateway: name, unit, value, reason. Settings may move some of them; the defaults live in
 * config/settings.ts and refer here. Relations between caps are asserted when this file loads.
 */
import { assert } from './assert.js'

/** Longest channel name, prefix included. It must fit the 16-bit length in front of a bus topic. */
export const CHANNEL_BYTES_MAX = 65_000

/** A relayed answer of which so much has come goes out at once, and not at the end of the turn. */
export const ANSWER_BYTES_PER_TURN = 65_536

/** A GRIP response larger than this is not buffered (Pushpin's value; streams are exempt). */
export const GRIP_RESPONSE_BYTES_MAX = 100_000
/** A request body that must be kept so that a hold can re-send it (Pushpin's value). */
export const GRIP_REQUEST_BYTES_MAX = 100_000

/** A directive of a body's template, while its end has not come: no name is that long, and no body is kept for it. */
export const FORMAT_FIELD_BYTES_MAX = 65_536

/**
 * What the operations of one body-patch may put into a body, in bytes and a few per value: a dozen copies of a body into
 * itself would make gigabytes of it, for each long poll anew.
 */
export const PATCH_WEIGHT_MAX = 2_097_152

/** Deliveries that wait for message_rate in one shard, whatever message_hwm says: about 100 MB of them. */
export const LIMITED_DELIVERIES_MAX = 1_000_000

/** Content a WebSocket client may have waiting for its backend before Pushpin would stall it. */
export const WS_MESSAGE_BYTES_MAX = 200_000
/**
 * Messages shorter than this are not compressed: each is compressed for itself, so under about 70 bytes it would grow,
 * and at this size a sixth of it is saved.
 */
export const WS_COMPRESSED_BYTES_MIN = 128
/** Content from the backend that the client has not read, above which no further request is made. */
export const WS_UNREAD_BYTES_MAX = 200_000
/** A backend answer with WebSocket events larger than this ends the session (Pushpin's value). */
export const WS_RESPONSE_BYTES_MAX = 1_000_000
/** A rejection body is cut to this many bytes (Pushpin's value). */
export const WS_REJECT_BYTES_MAX = 100_000
/** A rejection body above this is answered with 500: Pushpin's client_buffer_size default. */
export const WS_REJECT_RELAY_BYTES_MAX = 8_192

/** Items that may wait in the socket of a client that reads slowly; further ones are dropped and counted. */
export const STREAM_BACKLOG_ITEMS_MAX = 100
/** The same in bytes: stops a slow reader of large items from holding 100 of them. One item may overshoot. */
export const STREAM_BACKLOG_BYTES_MAX = 1_048_576
/** A stream client that has let this much pile up is let go: it reads nothing, and every probe adds an item. */
export const STREAM_BACKLOG_CUT_BYTES = 4 * STREAM_BACKLOG_BYTES_MAX
/** First and longest wait between items written to a client with a full backlog. Each failure doubles it. */
export const STREAM_PROBE_MS = 50
export const STREAM_PROBE_MS_MAX = 10_000

/** Bytes of an upload that may wait for the backend. Above what is kept to be sent again, so that a pause never stops keeping. */
export const UPLOAD_UNREAD_BYTES_MAX = 262_144
/** uWebSockets.js gives up an upload that moves too little for 10 to 12 s; each pulse starts its clock anew. */
export const UPLOAD_PULSE_MS = 4_000

/** Bytes of a backend's response head; more is a malformed answer. Twice Pushpin's default, so nothing it takes fails. */
export const BACKEND_HEAD_BYTES_MAX = 16_384
/** Header fields of a backend's response; more is a malformed answer (Pushpin: 64). */
export const BACKEND_HEADERS_MAX = 200

/** A WebSocket-over-HTTP request is sent again this often when the backend was not reached or got part of it (Pushpin's value). */
export const WS_RETRIES_MAX = 5
/** Wait before the first repetition; each further one is twice as long (Pushpin's value). */
export const WS_RETRY_BASE_MS = 1_000
/** Random part of that wait, so that the sessions of a backend that went do not come back together. */
export const WS_RETRY_JITTER_MS = 1_000
/**
 * A backend that holds content back after its client has closed is asked again (when it has a Keep-Alive-Interval) for
 * this long, then told DISCONNECT. Pushpin does it until the client gives up waiting for the close handshake.
 */
export const WS_CLOSING_MS = 30_000
/** Content of a WebSocket ping, pong or close frame (RFC 6455 §5.5). */
export const WS_CONTROL_FRAME_BYTES_MAX = 125

/** Body of a SockJS request (Pushpin's value). Requests on their way between shards are bounded by it, too. */
export const SOCKJS_REQUEST_BYTES_MAX = 100_000
/** A SockJS client that polls gets a sign of life after so long (Pushpin's value). */
export const SOCKJS_HEARTBEAT_MS = 25_000
/** One that does not poll for so long is gone; for so long it is told that its session was closed (Pushpin's value). */
export const SOCKJS_POLL_WAIT_MS = 5_000
/** While so much waits for the backend, the messages of a send wait, and the client for its answer (Pushpin's value). */
export const SOCKJS_UNREAD_BACKEND_BYTES_MAX = 200_000
/** How often it is looked whether the backend has taken some. */
export const SOCKJS_RETRY_MS = 50

/** Bytes uWebSockets.js may hold for a WebSocket that reads slowly; a publish above it is dropped and counted. */
export const WS_BACKPRESSURE_BYTES_MAX = 1_048_576
/**
 * Above this a WebSocket is taken out of the topics, and each item is looked at for it alone. uWebSockets.js can drop
 * by itself, but then it drops the rest of a batch without saying how much; so it never does, and we look.
 */
export const WS_SLOW_BYTES = WS_BACKPRESSURE_BYTES_MAX / 4
/** So much published to a channel within one tick of the deadlines makes us look at its sockets before the tick. */
export const WS_LOOK_BYTES = 262_144

/** A session whose client has this much unread is not given more by its backend; publishes may go on to the cap. */
export const WS_STALL_BYTES = WS_BACKPRESSURE_BYTES_MAX / 2

/**
 * A message of a native WebSocket backend; a longer one ends the session. Pushpin has no such limit, because it passes
 * on parts of messages; here a message is put together first, so the limit is what one session may cost in memory.
 */
export const WS_BACKEND_MESSAGE_BYTES_MAX = 16_777_216
/** Messages of native WebSocket backends that one shard compresses or inflates at a time: as many as libuv has threads. */
export const WS_DEFLATE_CONCURRENCY_MAX = 4
/**
 * While so much waits for a native backend, what comes behind it is sent as it is: a client that is faster than the
 * compressor must not be dropped for it.
 */
export const WS_DEFLATE_BACKLOG_BYTES = 262_144
/** What a message that waits for a native WebSocket backend costs besides its content: its entry in the socket's queue. */
export const WS_QUEUED_MESSAGE_BYTES = 256

/** Bytes that either side of a ZHTTP session may send before the other has said that it has taken some (Pushpin's value). */
export const ZHTTP_WINDOW_BYTES = 200_000
/**
 * What a worker may be ahead of its client in one session. The window is less, but Pushpin only warns of workers that
 * do not keep it, and those that answer in one packet never do; so this is what one session may cost in memory.
 */
export const ZHTTP_UNREAD_BYTES_MAX = 67_108_864
/** Body of a request to a `zhttpreq` target, which must fit one packet (Pushpin's value, also told to the worker). */
export const ZHTTP_REQUEST_BYTES_MAX = 1_000_000
/** A ZHTTP session whose worker is silent for this long is over (Pushpin's value; workers count on it). */
export const ZHTTP_SESSION_EXPIRE_MS = 60_000
/** So often a ZHTTP session shows that it is there (Pushpin's value). */
export const ZHTTP_KEEP_ALIVE_MS = 45_000
/** A worker that has not answered the close of a WebSocket after this long is told that nobody waits for it. */
export const ZHTTP_CLOSE_MS = 30_000
/** Sessions in one ZHTTP packet (Pushpin's value; its own decoder takes no more). */
export const ZHTTP_IDS_MAX = 128
/** Different `zhttp` and `zhttpreq` specs in the routes; those above it are not bound (Pushpin's value). */
export const ZHTTP_ROUTES_MAX = 100
/** First packets of sessions that ZeroMQ holds for each worker that does not take them (Pushpin's value). */
export const ZHTTP_FIRST_PACKETS_MAX = 100
/** Other packets that ZeroMQ holds for each worker or for us (Pushpin's value). */
export const ZHTTP_PACKETS_MAX = 101_000
/** Requests that wait for a worker of one `zhttpreq` target, and their bytes; further ones get a 502 at once. */
export const ZHTTP_WAITING_MAX = 10_000
export const ZHTTP_WAITING_BYTES_MAX = 67_108_864
/** Shutdown: how long ZeroMQ may go on telling workers that their sessions are over (Pushpin's value). */
export const ZHTTP_LINGER_MS = 500

/**
 * Published ids remembered for de-duplication: 60 s of 16,000 ids a second. An entry takes about 200 bytes, so a
 * publisher that sends endless new ids costs 200 MB at most; above it the oldest half is forgotten.
 */
export const RECENT_IDS_MAX = 1_000_000

/** Channels whose last id is remembered (Pushpin's value). An entry takes about 200 bytes. */
export const LAST_IDS_MAX = 1_000_000
/** From the first subscription to a channel until its holders ask their backends again (Pushpin's value). */
export const FIRST_SUBSCRIPTION_MS = 1_000
/** Sessions that ask their backend again together, and the pause between two such batches of a shard (Pushpin's values). */
export const UPDATES_PER_BATCH_MAX = 100
export const UPDATE_BATCH_MS = 100
/** Hosts to which connections are kept that only links have named; backends may name any number of them. */
export const STRANGER_POOLS_MAX = 100
/** A page behind a link is asked for again this often when it could not be had (Pushpin's value). */
export const LINK_RETRIES_MAX = 5
/** Wait before the first repetition; each further one is twice as long (Pushpin's values). */
export const LINK_RETRY_BASE_MS = 1_000
export const LINK_RETRY_JITTER_MS = 1_000
/** Items that may wait in a stream while it fetches its next link; further ones are dropped and counted (Pushpin's value). */
export const LINK_QUEUE_ITEMS_MAX = 100
/** Items that may wait in a session behind one whose filter asks its backend; further ones are dropped and counted (Pushpin's value). */
export const FILTER_QUEUE_ITEMS_MAX = 100
/** Requests of filters that the whole gateway begins in a second: its share of what a backend may be asked (Pushpin's value). */
export const HTTP_FILTER_RATE = 100
/** A filter's request takes no longer than this; the items behind it wait (Pushpin's value). */
export const HTTP_FILTER_TIMEOUT_MS = 10_000
/** Content that http-modify may put in the place of an item's (Pushpin's value). */
export const HTTP_FILTER_ANSWER_BYTES_MAX = 100_000
/** Above this a page is not kept any more for streams that ask for the same later (Pushpin's value). */
export const LINK_SHARED_BYTES_MAX = 100_000
/** A retry waits this long for the answer to a gone link: the backend is to know of the end before the new request. */
export const GONE_WAIT_MS = 3_000
/** Backends that a shard tells at a time that holds are over: clients that leave all at once must not flood them. */
export const GONE_CALLS_MAX = 100
/** Holds that may wait for their turn to be told of; of further ones the backend is not told, which is counted. */
export const GONE_WAITING_MAX = 50_000
/** Items of a channel that may wait for the one they follow; further ones are dropped and counted (Pushpin's value). */
export const PARKED_PER_CHANNEL_MAX = 100
/** The same over all channels, in bytes: above it the oldest are released before their time, so that nothing is lost. */
export const PARKED_BYTES_MAX = 67_108_864

/** Connections to the control port that wait for their turn; further ones are closed. Stops a flood from using up files. */
export const CONTROL_WAITING_MAX = 1_024
/** A control client may take this long to send a request, to read an answer, or between two requests. */
export const CONTROL_TIMEOUT_MS = 60_000

/** Requests of the command socket that are worked on at a time; above it no further one is read (Pushpin's value). */
export const COMMANDS_PENDING_MAX = 100
/** A shard that has not answered a command's question for this long has failed it (Pushpin's value for its proxy). */
export const SHARD_QUESTION_DEADLINE_MS = 10_000

/**
 * Messages, and bytes in the kernel, that wait for us from one publisher while we are not reading it. Enough to find work
 * whenever we look; all more would make a publish late that comes behind (Pushpin lets 101,000 wait).
 */
export const ZMQ_INPUT_MESSAGES_MAX = 256
export const ZMQ_INPUT_BUFFER_BYTES = 65_536

/** Packets ZeroMQ holds for a listener of statistics who reads slowly; further ones are lost to it (Pushpin's value). */
export const STATS_PACKETS_MAX = 200_000
/** Items whose receivers have not been told by all shards; above it the oldest is told as it is. 100 bytes each. */
export const STATS_ITEMS_MAX = 100_000
/** What nobody listens to any more is collected for this long, for a listener that comes back. */
export const STATS_LINGER_MS = 60_000
/** Connections to a Prometheus port at a time (Pushpin's value), and bytes of a request's head there. */
export const PROMETHEUS_CONNECTIONS_MAX = 16
export const PROMETHEUS_HEAD_BYTES_MAX = 8_192

/** Items kept for a channel whose first receivers wait for its barrier; further ones are dropped and counted. */
export const NOT_LIVE_ITEMS_MAX = 100

/**
 * What main may have put on the bus that the slowest shard has not taken: so many milliseconds of its work, as measured over
 * samples of that length, between a least amount (it is to find something whenever it looks) and a most (memory).
 */
export const BUS_IN_FLIGHT_MS = 100
export const BUS_RATE_SAMPLE_MS = 50
export const BUS_IN_FLIGHT_BLOCKS_MIN = 512
/** Before anything is measured: nothing for shards with a receiver or two per item, and soon measured for others. */
export const BUS_IN_FLIGHT_BLOCKS_START = 32_768
export const BUS_IN_FLIGHT_BLOCKS_MAX = 524_288
/** A bus message weighs one block, and one more for each of these many bytes. */
export const BUS_BLOCK_BYTES = 64
/** What is put for a shard in one turn goes out as soon as it is this much: the shard is to begin before main has ended. */
export const BUS_BATCH_BYTES_MAX = 65_536
/** A larger message goes alone: to copy it into a batch would cost more than a send of its own. */
export const BUS_BATCHED_MESSAGE_BYTES_MAX = 8_192

/** A barrier without an answer for this long is sent again. */
export const BARRIER_RETRY_MS = 500
/** A barrier without an answer for this long fails its holds (Pushpin's accept time-out). */
export const BARRIER_DEADLINE_MS = 8_000

/** How often the routes file is looked at for changes: a question to the file system, twice a second. */
export const ROUTES_LOOK_MS = 500
/** From the first sign of a change to reading it, so that a file that is written in steps is whole (Pushpin's value). */
export const ROUTES_SETTLE_MS = 1_000
/** How often the files of certificates are looked at: they are renewed days before their end. */
export const CERTIFICATES_LOOK_MS = 60_000

/** Shutdown: what is still open then is cut. */
export const DRAIN_DEADLINE_MS = 3_000

assert(GRIP_REQUEST_BYTES_MAX < UPLOAD_UNREAD_BYTES_MAX, 'a body that can be sent again fits before the first pause')
assert(UPLOAD_PULSE_MS * 2 <= 10_000, 'a pulse may be late once before uWebSockets.js gives an upload up')
assert(CHANNEL_BYTES_MAX < 0xffff, 'a bus topic carries the channel length in 16 bits; 0xffff marks private topics')
assert(BARRIER_RETRY_MS * 4 <= BARRIER_DEADLINE_MS, 'a barrier is retried several times before it fails')
assert(WS_SLOW_BYTES + WS_LOOK_BYTES <= WS_BACKPRESSURE_BYTES_MAX, 'a socket is found slow before it is over its cap')
assert(ZHTTP_KEEP_ALIVE_MS < ZHTTP_SESSION_EXPIRE_MS, 'a session shows that it is there before it counts as gone')
assert(ZHTTP_WINDOW_BYTES <= ZHTTP_UNREAD_BYTES_MAX, 'what a worker may send is not too much')
assert(WS_MESSAGE_BYTES_MAX <= WS_RESPONSE_BYTES_MAX, 'what a client may send, a backend may answer')
