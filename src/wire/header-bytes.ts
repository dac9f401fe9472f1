/**
 * How large the head of a request or response is for statistics (reference: stats PUB): its words without what stands
 * between them. Headers flat, all byte strings.
 */

/** `path`: with the query. */
export function requestHeaderBytes(method: string, path: string, headers: readonly string[]): number {
  return method.length + path.length + lengthOf(headers)
}

export function responseHeaderBytes(status: number, reason: string, headers: readonly string[]): number {
  return String(status).length + reason.length + lengthOf(headers)
}

function lengthOf(words: readonly string[]): number {
  let bytes = 0
  for (const word of words) bytes += word.length
  return bytes
}
