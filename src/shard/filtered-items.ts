/**
 * The items of one session whose filters ask the backend. One item is asked about at a time, and whatever is published to
 * the session meanwhile waits behind it, so that the order is kept. Sessions without such filters have none of these.
 */
import { assert } from '../base/assert.js'
import { FilterQuestion, type Filtered, type FilteredSession } from '../grip/filters.js'
import { gripLastOf } from '../grip/hold-channels.js'
import {
  type HttpFilterAnswer,
  HttpFilterFailure,
  httpFilterHeaders,
  httpFilterUnanswered,
  httpFilterUrl,
} from '../grip/http-filter.js'
import { KeptItems } from '../grip/kept-items.js'
import type { Subscription } from '../grip/subscriptions.js'
import type { PublishItem } from '../wire/publish-types.js'
import type { ShardContext } from './context.js'
import type { HttpFilterRequest } from './http-filter-requests.js'
import { type LinkOrigin, linkRequests } from './link-request.js'

/** Where a session is, for the URLs of its filters. */
export interface LinkPlace {
  readonly origin: LinkOrigin
  /** The page that relative URLs are resolved against: the last one of a stream with links. */
  readonly uri: string
}

export interface FilteredReceiver {
  readonly subscriptions: readonly Subscription[]
  /** Null: nobody can be asked. */
  linkPlace(): LinkPlace | null
  /** What the filters have made of an item, or why they could not. Also called inside ask(). */
  handleFiltered(item: PublishItem, subscription: Subscription, filtered: Filtered | HttpFilterFailure): void
  /** The turn of an item that has waited. It may ask again. */
  handleTurn(item: PublishItem, subscription: Subscription): void
  /** Nothing is asked any more, and nothing waits. */
  handleIdle(): void
  /** Must not throw. */
  fail(error: unknown): void
}

interface Asked {
  readonly item: PublishItem
  readonly subscription: Subscription
  readonly session: FilteredSession
  readonly question: FilterQuestion
  readonly request: HttpFilterRequest
}

export class FilteredItems {
  readonly #context: ShardContext
  readonly #receiver: FilteredReceiver
  readonly #waiting = new KeptItems()
  #asked: Asked | null = null
  #isOver = false

  constructor(context: ShardContext, receiver: FilteredReceiver) {
    this.#context = context
    this.#receiver = receiver
  }

  /** The backend is being asked: what is published now waits. */
  get isAsking(): boolean {
    return this.#asked !== null
  }

  /** True: the item waits (or was dropped), because another one is asked about. */
  takes(item: PublishItem): boolean {
    if (this.#asked === null) return false
    if (!this.#waiting.add(item)) this.#context.counters.add('drop_filter_queue')
    return true
  }

  /** `item`: a kept one. */
  ask(item: PublishItem, subscription: Subscription, session: FilteredSession, question: FilterQuestion): void {
    assert(this.#asked === null, 'one item is asked about at a time')
    const place = this.#receiver.linkPlace()
    const url = place === null ? httpFilterUnanswered() : httpFilterUrl(session.subMeta, place.uri)
    if (url instanceof HttpFilterFailure) return this.#receiver.handleFiltered(item, subscription, url)
    const origin = (place as LinkPlace).origin
    const { subscriptions } = this.#receiver
    const call = {
      method: 'POST',
      headers: httpFilterHeaders(session.subMeta, item.meta),
      lastIds: session.hasIds ? gripLastOf(subscriptions, session.naming, null) : null,
      body: question.name === 'http-modify' ? question.content : null,
    } as const
    const request = this.#context.filterRequests.add({
      filter: question.name,
      url,
      attempts: () => linkRequests(this.#context, origin, url, call),
      onAnswer: (answer) => {
        this.#handleAnswer(answer)
      },
    })
    this.#asked = { item, subscription, session, question, request }
  }

  /** The session is over. Idempotent. */
  leave(): void {
    this.#isOver = true
    this.#asked?.request.cancel()
    this.#asked = null
    this.#waiting.clear()
  }

  #handleAnswer(answer: HttpFilterAnswer | HttpFilterFailure): void {
    const asked = this.#asked
    if (asked === null) return
    this.#asked = null
    try {
      this.#proceed(asked, answer)
      this.#takeTurns()
    } catch (error) {
      this.#receiver.fail(error)
    }
  }

  #proceed({ item, subscription, session, question }: Asked, answer: HttpFilterAnswer | HttpFilterFailure): void {
    const receiver = this.#receiver
    if (answer instanceof HttpFilterFailure) return receiver.handleFiltered(item, subscription, answer)
    if (answer.kind === 'drop') return receiver.handleFiltered(item, subscription, null)
    const filtered = question.stack.resume(question, answer.content, session, receiver.subscriptions, item.meta)
    if (filtered instanceof FilterQuestion) this.ask(item, subscription, session, filtered)
    else receiver.handleFiltered(item, subscription, filtered)
  }

  #takeTurns(): void {
    while (this.#asked === null && !this.#isOver) {
      const item = this.#waiting.shift()
      if (item === null) return this.#receiver.handleIdle()
      const subscription = this.#receiver.subscriptions.find(({ channel }) => channel.name === item.channel)
      if (subscription === undefined) this.#context.counters.add('drop_filter_queue')
      else this.#receiver.handleTurn(item, subscription)
    }
  }
}
