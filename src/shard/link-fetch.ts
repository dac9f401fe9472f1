/**
 * Pages behind the links of streams. Streams that ask for the same page from the same place (URI, last ids, route) at
 * the same time get the bytes of one request, and wait together when it has to be repeated.
 *
 * Back-pressure: the backend is paused while none of the streams takes more. One that takes less than the others is
 * its own limit's concern.
 */
import type { BackendExchange, BackendFailure, BackendHandler, BackendRequest } from '../backend/types.js'
import { DeadlineEntry } from '../base/deadlines.js'
import { LINK_SHARED_BYTES_MAX } from '../base/limits.js'
import type { GripLast } from '../grip/hold-channels.js'
import { LinkError, type PageHead, judgePageHead, linkRetryDelayMs } from '../grip/next-link.js'
import { countBackendFailure, failsOver } from './backend-results.js'
import type { ShardContext } from './context.js'
import { type LinkOrigin, linkRequests, linkTraffic, reportLink } from './link-request.js'

/** A stream that waits for a page. */
export interface PageFollower {
  /** Before any byte of the page; again when it was asked for again. An error is the last call. */
  handlePageHead(head: PageHead): void
  /** False: no more is wanted until LinkFetch.resume(). */
  handlePageData(chunk: Buffer): boolean
  handlePageEnd(): void
  /** Must not throw. */
  fail(error: unknown): void
}

export interface PageRequest {
  readonly origin: LinkOrigin
  readonly uri: string
  readonly lastIds: GripLast
}

/** What streams that may share a request have in common. */
export function pageKey({ origin, uri, lastIds }: PageRequest): string {
  return JSON.stringify([uri, origin.route.id, origin.target.untrusted, origin.uri.slice(0, 8), [...lastIds].sort()])
}

/** The pages that are being fetched by a shard. */
export class LinkFetches {
  readonly #context: ShardContext
  readonly #shareable = new Map<string, LinkFetch>()

  constructor(context: ShardContext) {
    this.#context = context
  }

  /** No call to `follower` before it has returned. */
  follow(request: PageRequest, follower: PageFollower): LinkFetch {
    const key = pageKey(request)
    const known = this.#shareable.get(key)
    if (known !== undefined) {
      known.join(follower)
      return known
    }
    const fetch = new LinkFetch(this.#context, request, () => {
      if (this.#shareable.get(key) === fetch) this.#shareable.delete(key)
    })
    this.#shareable.set(key, fetch)
    fetch.begin(follower)
    return fetch
  }
}

export class LinkFetch extends DeadlineEntry implements BackendHandler {
  readonly #context: ShardContext
  readonly #request: PageRequest
  /** Nobody may join any more. */
  readonly #onClosed: () => void
  readonly #followers = new Set<PageFollower>()
  /** Have joined, and are still to get what came before. */
  readonly #late = new Set<PageFollower>()
  readonly #blocked = new Set<PageFollower>()
  #isPaused = false
  #attempts: BackendRequest[] = []
  #backend: BackendExchange | null = null
  #retries = 0
  #head: PageHead | null = null
  #kept: Buffer[] = []
  #bytes = 0
  #status = 0
  #startedMs = 0
  #isOver = false

  constructor(context: ShardContext, request: PageRequest, onClosed: () => void) {
    super()
    this.#context = context
    this.#request = request
    this.#onClosed = onClosed
  }

  begin(follower: PageFollower): void {
    this.#followers.add(follower)
    this.#ask()
  }

  join(follower: PageFollower): void {
    this.#followers.add(follower)
    if (this.#head === null) return
    this.#late.add(follower)
    queueMicrotask(() => {
      this.#catchUp(follower)
    })
  }

  /** Idempotent. */
  leave(follower: PageFollower): void {
    this.#followers.delete(follower)
    this.#late.delete(follower)
    this.#blocked.delete(follower)
    if (this.#followers.size === 0) this.#close()
    else this.#resumeIfWanted()
  }

  resume(follower: PageFollower): void {
    this.#blocked.delete(follower)
    this.#resumeIfWanted()
  }

  override handleDeadline(): void {
    try {
      this.#ask()
    } catch (error) {
      this.#failAll(error)
    }
  }

  // From the backend.

  handleHead(status: number, reason: string, headers: string[]): void {
    linkTraffic(this.#context, this.#request.origin)?.serverAnswer({ status, reason, headers })
    const head = judgePageHead(status, reason, headers)
    this.#status = status
    this.#head = head
    this.#each((follower) => {
      follower.handlePageHead(head)
    })
    if (head.kind === 'error') {
      this.#reportRequest(head.message)
      this.#close()
    } else if (head.kind === 'again') this.#again(`status ${String(status)}`)
  }

  handleData(chunk: Buffer): boolean {
    if (this.#isOver) return true
    linkTraffic(this.#context, this.#request.origin)?.serverReceived(chunk.length)
    this.#bytes += chunk.length
    if (this.#bytes <= LINK_SHARED_BYTES_MAX) this.#kept.push(chunk)
    else {
      this.#onClosed()
      if (this.#late.size === 0) this.#kept = []
      else this.#kept.push(chunk)
    }
    this.#each((follower) => {
      const takesMore = follower.handlePageData(chunk)
      // One that has been let go for this chunk has left, and must not count as one that will take more some time.
      if (!takesMore && this.#followers.has(follower)) this.#blocked.add(follower)
    })
    this.#isPaused = this.#blocked.size > 0 && this.#blocked.size === this.#followers.size
    return !this.#isPaused
  }

  handleEnd(): void {
    this.#backend = null
    this.#context.counters.add('backend_ok')
    this.#reportRequest(null)
    this.#isOver = true
    this.#onClosed()
    this.#each((follower) => {
      follower.handlePageEnd()
    })
  }

  handleFailure(failure: BackendFailure): void {
    this.#backend = null
    countBackendFailure(this.#context.counters, failure)
    // One that falls silent in the middle of its page must not have another begin it anew.
    if (this.#head === null && failsOver(failure) && this.#attempts.length > 0) this.#send()
    else this.#again(failure.message)
  }

  #ask(): void {
    const { origin, uri, lastIds } = this.#request
    this.#head = null
    this.#status = 0
    this.#startedMs = this.#context.clock.nowMs()
    this.#context.counters.add('link_fetches')
    this.#attempts = linkRequests(this.#context, origin, uri, { method: 'GET', lastIds })
    if (this.#attempts.length > 0) return this.#send()
    setImmediate(() => {
      if (!this.#isOver) this.#again('the link leads nowhere')
    })
  }

  #reportRequest(fault: string | null): void {
    const { origin, uri, lastIds } = this.#request
    const answer = { status: this.#status, bytes: this.#bytes, startedMs: this.#startedMs }
    reportLink(this.#context, origin, { method: 'GET', uri, ...answer, lastIds, fault })
  }

  #send(): void {
    const request = this.#attempts.shift() as BackendRequest
    linkTraffic(this.#context, this.#request.origin)?.serverRequest(request)
    this.#backend = this.#context.backend.request(request, this)
  }

  #again(why: string): void {
    if (this.#isOver) return
    this.#backend?.abort()
    this.#backend = null
    const { clock, deadlines, random } = this.#context
    const delayMs = this.#bytes > 0 ? null : linkRetryDelayMs(this.#retries, random())
    this.#reportRequest(why)
    if (delayMs !== null) {
      this.#retries++
      deadlines.set(this, clock.nowMs() + delayMs)
      return
    }
    this.#head = { kind: 'error', message: LinkError.Unretrieved }
    const head = this.#head
    this.#each((follower) => {
      follower.handlePageHead(head)
    })
    this.#close()
  }

  #catchUp(follower: PageFollower): void {
    if (!this.#late.delete(follower)) return
    try {
      if (this.#head !== null) follower.handlePageHead(this.#head)
      // It fits into what a stream may have unread.
      for (const chunk of this.#kept) follower.handlePageData(chunk)
      if (this.#isOver && this.#followers.has(follower)) follower.handlePageEnd()
    } catch (error) {
      follower.fail(error)
    }
  }

  #each(run: (follower: PageFollower) => void): void {
    for (const follower of [...this.#followers]) {
      if (!this.#followers.has(follower) || this.#late.has(follower)) continue
      try {
        run(follower)
      } catch (error) {
        follower.fail(error)
      }
    }
  }

  #resumeIfWanted(): void {
    if (!this.#isPaused || this.#blocked.size === this.#followers.size) return
    this.#isPaused = false
    this.#backend?.resume()
  }

  #failAll(error: unknown): void {
    for (const follower of [...this.#followers]) follower.fail(error)
    this.#close()
  }

  #close(): void {
    this.#isOver = true
    this.#onClosed()
    this.#backend?.abort()
    this.#backend = null
    this.#context.deadlines.clear(this)
  }
}
