/**
 * A WebSocket session as a subscriber: the channels it holds, and the way of what is published on them to its client.
 *
 * As a rule that way is a topic of uWebSockets.js, and nothing comes by here. Items come one by one when their
 * subscription has filters, and all of them (`wantsItems`) while the client reads too slowly, while they are held for the
 * first_frame_delay of the target or wait for a filter that asks the backend, and where each pushes back a keep-alive.
 * What has passed is written, or acts on the session machine, which ws-client-side.ts drives.
 *
 * Methods are `private` rather than #: each class with # methods in a chain costs each of its objects a pointer.
 */
import { unreachable } from '../base/assert.js'
import { NO_DEADLINE } from '../base/deadlines.js'
import { WS_BACKPRESSURE_BYTES_MAX, WS_SLOW_BYTES } from '../base/limits.js'
import { FilterQuestion, type Filtered } from '../grip/filters.js'
import { clientHost } from '../grip/forwarding.js'
import { HttpFilterFailure } from '../grip/http-filter.js'
import { keptItem } from '../grip/kept-items.js'
import { ReceiverKind, type WsReceiver } from '../grip/receiver.js'
import type { Subscription } from '../grip/subscriptions.js'
import type { WsClientHalf } from '../grip/ws-client-half.js'
import type { Route, Target } from '../routing/types.js'
import type { ChannelInstruct } from '../wire/instruct-types.js'
import { PublishAction, type PublishItem, type WsMessageFormat, type WsMessageType } from '../wire/publish-types.js'
import type { ClientSocket, Upgrade } from './client-socket.js'
import type { ShardContext } from './context.js'
import { filteredContent } from './filtered-content.js'
import { FilteredItems, type FilteredReceiver, type LinkPlace } from './filtered-items.js'
import { HeldFrames } from './held-frames.js'
import { linkOriginOf } from './link-request.js'
import { WsClientEnd } from './ws-client-end.js'
import type { WsShared } from './ws-shared.js'

export abstract class WsSubscriber extends WsClientEnd implements WsReceiver, FilteredReceiver {
  readonly kind = ReceiverKind.Ws
  subscriptions: Subscription[] = []
  // What it has asked for: filters may have URLs relative to it.
  readonly #host: string
  readonly #path: string
  /** What waits for the first_frame_delay of the target; null: nothing has to. */
  #heldFrames: HeldFrames | null = null
  /** Null until a filter asks the backend. */
  #filtered: FilteredItems | null = null
  /** Reads too slowly for the topics: each item is weighed for it alone until all that waits is gone. */
  #isSlow = false
  #wantedItems = false

  constructor(context: ShardContext, shared: WsShared, upgrade: Upgrade, route: Route, target: Target) {
    super(context, shared, upgrade, route, target)
    this.#host = context.forwarding.intern(clientHost(upgrade.head))
    this.#path = context.forwarding.intern(upgrade.head.path)
    if (target.firstFrameDelayMs > 0) this.#heldFrames = new HeldFrames()
  }

  // For the half that drives the machine

  protected abstract readonly session: WsClientHalf
  /** Performs what the machine asks for now. */
  protected abstract drive(): void
  abstract fail(error: unknown): void

  // Channels

  protected subscribe(channels: readonly ChannelInstruct[]): void {
    const { holdLog, hub } = this.context
    if (holdLog !== null) {
      const url = `${this.ssl ? 'wss' : 'ws'}://${this.#host}${this.#path}`
      holdLog.subscribed(
        url,
        channels.map(({ name }) => name),
        false,
      )
    }
    hub.subscribe(this, channels)
  }

  handleLive(ok: boolean): void {
    this.session.handleLive(ok, this.nowMs())
    this.drive()
  }

  joinTopic(channel: string): void {
    this.ws?.subscribe(channel)
  }

  leaveTopic(channel: string): void {
    this.ws?.unsubscribe(channel)
  }

  /** The socket is open: it joins what the session has subscribed to before. */
  protected joinTopics(ws: ClientSocket): void {
    for (const { byItem, channel } of this.subscriptions) if (!byItem) ws.subscribe(channel.name)
  }

  /** Nothing is published to it any more. Idempotent. */
  protected leaveChannels(): void {
    this.#filtered?.leave()
    this.context.hub.leave(this)
  }

  // Which way items go

  get wantsItems(): boolean {
    if (this.#isSlow || this.#heldFrames !== null || this.#filtered?.isAsking === true) return true
    return this.session.wantsWritten || this.ws?.isWrapped === true
  }

  /** To be called when wantsItems may have changed. */
  protected reclassify(): void {
    if (this.wantsItems === this.#wantedItems) return
    this.#wantedItems = this.wantsItems
    this.context.hub.reclassify(this)
  }

  checkBacklog(): void {
    if (this.#isSlow || this.ws === null || this.ws.getBufferedAmount() <= WS_SLOW_BYTES) return
    this.#isSlow = true
    this.reclassify()
  }

  /** What waited for the socket has been written. */
  handleDrained(): void {
    if (this.#isSlow && this.ws !== null && this.ws.getBufferedAmount() === 0) this.#isSlow = false
    this.drive()
  }

  // Items

  deliverWs(item: PublishItem, format: WsMessageFormat, subscription: Subscription): void {
    if (this.#filtered?.takes(item) === true) return
    this.process(item, format, subscription)
    this.drive()
  }

  private process(published: PublishItem, publishedFormat: WsMessageFormat, subscription: Subscription): void {
    // What filters ask about has to wait.
    const item = subscription.filters.asksBackend ? keptItem(published) : published
    const format = item.wsMessage ?? publishedFormat
    const filtered = this.session.filterItem(item, format, subscription, this.nowMs())
    if (filtered instanceof FilterQuestion) {
      this.#filtered ??= new FilteredItems(this.context, this)
      this.#filtered.ask(item, subscription, this.session, filtered)
    } else this.pass(format, filtered)
  }

  private pass(format: WsMessageFormat, filtered: Filtered): void {
    if (filtered === null) this.context.counters.add('drop_filter')
    else this.deliverFiltered(format, filteredContent(this.context, filtered))
  }

  linkPlace(): LinkPlace {
    const head = { method: 'GET', path: this.#path, headers: ['host', this.#host], peerAddress: '', ssl: this.ssl }
    const origin = linkOriginOf(head, this.route, this.target)
    return { origin, uri: origin.uri }
  }

  handleFiltered(item: PublishItem, _subscription: Subscription, filtered: Filtered | HttpFilterFailure): void {
    if (filtered instanceof HttpFilterFailure) {
      this.context.counters.add('drop_filter_failed')
      this.session.handleFilterFailure(filtered.message, this.nowMs())
    } else this.pass(item.wsMessage as WsMessageFormat, filtered)
    this.drive()
  }

  handleTurn(item: PublishItem, subscription: Subscription): void {
    this.process(item, item.wsMessage as WsMessageFormat, subscription)
    this.drive()
  }

  handleIdle(): void {
    // It may be served by topic again.
    this.drive()
  }

  private deliverFiltered(format: WsMessageFormat, content: Buffer): void {
    switch (format.action) {
      case PublishAction.Send:
        if (this.#heldFrames !== null) return this.hold(format.type, content, this.#heldFrames)
        if (this.ws !== null) this.deliver(this.ws, format.type, content)
        if (this.session.wantsWritten) this.session.handleWritten(this.nowMs())
        break
      case PublishAction.Close:
        this.session.handlePublishClose(format.code, format.reason, this.nowMs())
        break
      case PublishAction.Refresh:
        this.session.handleRefresh(this.nowMs())
        break
      case PublishAction.Hint:
        break
      default:
        unreachable(format.action)
    }
  }

  /** Dropped and counted when too much waits for the client already. */
  private deliver(ws: ClientSocket, type: WsMessageType, content: Buffer): void {
    if (ws.getBufferedAmount() > WS_BACKPRESSURE_BYTES_MAX) this.context.counters.add('drop_ws_backpressure')
    else this.write(type, content)
  }

  // The first_frame_delay of the target

  /** It runs, or is to: what is published waits. */
  protected get isHeld(): boolean {
    return this.#heldFrames !== null
  }

  /** When releaseDue() is due. */
  protected get heldUntilMs(): number {
    return this.#heldFrames?.untilMs ?? NO_DEADLINE
  }

  /** The socket is open. */
  protected startFirstFrameDelay(nowMs: number): void {
    if (this.#heldFrames !== null) this.#heldFrames.untilMs = nowMs + this.target.firstFrameDelayMs
  }

  private hold(type: WsMessageType, content: Buffer, held: HeldFrames): void {
    if (!held.add(type, content)) this.context.counters.add('drop_ws_backpressure')
  }

  /** When the delay is over: what was published meanwhile, after what the backend said with its OPEN. */
  protected releaseDue(nowMs: number): void {
    const held = this.#heldFrames
    if (held === null || nowMs < held.untilMs) return
    this.#heldFrames = null
    this.drive()
    for (const { type, content } of held.frames) if (this.ws !== null) this.write(type, content)
  }
}
