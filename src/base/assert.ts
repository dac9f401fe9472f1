/**
 * Assertions: for our own mistakes only, on in production.
 *
 * A peer's mistake is never an assertion; it gets a coded answer (see errors.ts).
 */

/** Thrown when the program contradicts itself. Reaching one is a bug of ours. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws unless `condition` holds. `message` says which rule was broken. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Closes a switch over a union: the compiler proves that it cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}
