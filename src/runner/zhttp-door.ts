/** What a door to the workers of one target is to the relay, and what both kinds have in common. */
import type { Log } from '../base/log.js'
import type { ZhttpRoute } from '../routing/zhttp-spec.js'

export interface ZhttpDoorOptions {
  readonly route: ZhttpRoute
  /** Instance id of the gateway. */
  readonly instance: string
  readonly log: Pick<Log, 'warn' | 'error'>
  /** A message of a worker; nothing of it has been looked at. A fault: why it is refused. */
  onMessage(message: Buffer): string | null
  /** No worker takes the session's first packet. */
  onUnsent(id: string): void
  onBad(): void
  /** A packet for a worker that is not connected any more. */
  onUnroutable(): void
}

export interface ZhttpDoor {
  /** `to`: instance id of a worker; null: any. Never throws. */
  send(to: string | null, id: string, packet: Buffer): void
  /** The packet of this session need not be sent any more. */
  withdraw(id: string): void
  /** Resolves when the sockets are closed. */
  close(): Promise<void>
}

/** Rejects, with its sockets closed, when one of its addresses cannot be bound. */
export async function bound<Door extends ZhttpDoor & { bind(): Promise<void> }>(door: Door): Promise<Door> {
  try {
    await door.bind()
  } catch (error) {
    await door.close()
    throw error
  }
  return door
}

/** For a target whose sockets could not be bound: no worker can ever come. */
export function closedDoor({ onUnsent }: Pick<ZhttpDoorOptions, 'onUnsent'>): ZhttpDoor {
  return {
    send: (to, id) => {
      if (to === null) onUnsent(id)
    },
    withdraw: () => {},
    close: () => Promise.resolve(),
  }
}

/** Hands messages to `handle` until the socket is closed. */
export async function receiveAll(
  socket: { receive(): Promise<Buffer[]>; readonly closed: boolean },
  handle: (parts: readonly Buffer[]) => void,
  failed: (error: unknown) => void,
): Promise<void> {
  while (!socket.closed) {
    let parts: Buffer[]
    try {
      parts = await socket.receive()
    } catch (error) {
      // A receive fails only when the socket is gone; going on would spin.
      if (!socket.closed) failed(error)
      return
    }
    handle(parts)
  }
}
