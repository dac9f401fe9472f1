import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'

/**
 * Value of Connection-Id: a random UUID, as one flat string. randomUUID() returns a rope of 14 pieces, which takes 450
 * bytes for as long as the session lives.
 */
export function newConnectionId(): string {
  return Buffer.from(randomUUID(), 'latin1').toString('latin1')
}
