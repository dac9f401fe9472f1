/** Publishes by ZeroMQ PUSH: one bare tnetstring. Pushpin 1.41's own program fails here. */
import { context, Push } from 'zeromq'

/** Nobody listens there: PUSH would wait for ever. */
const WAIT_MS = 10_000

/** Rejects in words for the user. */
export async function publishByZmq(spec: string, item: Buffer): Promise<void> {
  context.blocky = true
  const socket = new Push({ immediate: true, sendTimeout: WAIT_MS, linger: WAIT_MS })
  try {
    socket.connect(spec)
    await socket.send(item)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const text = code === 'EAGAIN' ? `nobody listens on ${spec} (waited ${String(WAIT_MS / 1000)} seconds)` : message
    throw new Error(text, { cause: error })
  } finally {
    socket.close()
  }
}
