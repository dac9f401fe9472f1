/** The two doors by which a run publishes: HTTP (http-door.ts) and ZeroMQ (zmq-door.ts). */
import type { PublishDoor } from '../options.js'

export interface PublishFailure {
  readonly kind: string
  readonly example: string
}

export interface DoorOptions {
  readonly timeoutMs: number
  readonly insecure: boolean
  /** Publish `n` was answered, or taken by the socket. Once for each, in no certain order. */
  handleDone(n: number, intendedMs: number, failure: PublishFailure | null): void
}

export interface OpenDoor {
  /** Whether an answer says that the gateway has taken the item. */
  readonly answers: boolean
  /** `item`: one item as JSON. */
  publish(n: number, intendedMs: number, item: string): void
  close(): Promise<void>
}

/** Loads only what this door needs: every worker thread pays for what it imports. */
export async function openDoor(door: PublishDoor, options: DoorOptions): Promise<OpenDoor> {
  if (door.kind === 'zmq-push') {
    const { ZmqDoor } = await import('./zmq-door.js')
    return new ZmqDoor(door.endpoint, options)
  }
  const { HttpDoor } = await import('./http-door.js')
  return new HttpDoor(door.url, door.headers, options)
}
