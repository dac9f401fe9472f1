/** What all sessions of a target (and of one kind of client, trusted or not) share: one object for all of them. */
export interface WsSessionConfig {
  /** The route's prefix, put in front of every channel the backend names. Byte string. */
  readonly channelPrefix: string
  /** sub=: channels every session is subscribed to, as they are: they get no prefix. Byte strings. */
  readonly implicitChannels: readonly string[]
  /** False for no_grip routes and for trusted clients: the grip extension of an answer is not acted on. */
  readonly gripAllowed: boolean
  /** The client is a trusted gateway: it is told of the extension, and acts on it. */
  readonly isClientGateway?: boolean
  readonly oneEvent: boolean
  readonly debug: boolean
  /** The client polls (SockJS): a close has no frame that it could echo, and a rejection may be as long as any answer. */
  readonly isPolled?: boolean
  /** Channels a session may hold. */
  readonly subscriptionMax: number
  /** The backend has asked for one more than that. */
  readonly onSubscriptionRefused?: () => void
  /** A longer client message drops the connection. */
  readonly messageBytesMax: number
  /** What may wait for the backend, a fixed sum per message included; above it the connection is dropped. */
  readonly bufferBytesMax: number
  /** A number in [0, 1), for jitter. */
  readonly random: () => number
}
