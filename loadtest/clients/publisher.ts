/** Publishes to the channels of the run in turn, by a schedule or as fast as the receivers take it (saturation.ts). */
import type { Clock } from '../measure/clock.js'
import { Schedule } from '../measure/schedule.js'
import { Stamper } from '../measure/stamp.js'
import { formatOf, itemFrames, stampBytesOf } from './items.js'
import type { ItemFrame } from './items.js'
import { Pacer } from './pacer.js'
import { Live, liveSum } from './protocol.js'
import type { Pace, Phases, PublisherStart } from './protocol.js'
import { openDoor } from './publish-door.js'
import type { DoorOptions, OpenDoor, PublishFailure } from './publish-door.js'
import { Saturation } from './saturation.js'
import type { Series, Tally } from './tally.js'

/** How often deliveries are looked at: they announce nothing. */
const LOOK_MS = 1

export class Publisher {
  readonly #start: PublisherStart
  readonly #tally: Tally
  readonly #clock: Clock
  readonly #stamper: Stamper
  readonly #frames: readonly ItemFrame[]
  /** Null until open() has resolved. */
  #door: OpenDoor | null = null
  readonly #answers: Series
  /** As PollPost has it; without room where nobody asks, and then what is written to it is gone. */
  readonly #sentTimes: Float64Array
  readonly #live: Float64Array
  /** By channel; what was refused is taken out again. */
  readonly #published: number[]
  #pacer: Pacer | null = null
  #saturation: Saturation | null = null
  #endMs = 0
  #sent = 0
  #answered = 0
  #allSent = false
  #handleIdle: () => void = () => {}

  constructor(start: PublisherStart, tally: Tally, clock: Clock) {
    const { options, run, source, epochMs } = start
    this.#start = start
    this.#tally = tally
    this.#clock = clock
    this.#stamper = new Stamper(run, source, epochMs, stampBytesOf(options, formatOf(options)))
    this.#frames = itemFrames(options)
    this.#published = new Array<number>(options.channels).fill(0)
    this.#sentTimes = new Float64Array(start.sentTimes)
    this.#live = new Float64Array(start.live)
    this.#answers = tally.series('answer')
  }

  async open(): Promise<void> {
    const { publish, timeoutMs, insecure } = this.#start.options
    if (publish === null) throw new Error('a publisher without a door')
    const handleDone: DoorOptions['handleDone'] = (n, intendedMs, failure) => this.#handleDone(n, intendedMs, failure)
    this.#door = await openDoor(publish, { timeoutMs, insecure, handleDone })
  }

  get published(): readonly number[] {
    return this.#published
  }

  get sent(): number {
    return this.#sent
  }

  /** `handleIdle` is called once, when everything has been sent and answered. */
  begin(phases: Phases, pace: Pace | null, receivers: number, handleIdle: () => void): void {
    const { options, publishers } = this.#start
    this.#handleIdle = handleIdle
    this.#endMs = phases.endMs
    if (pace === null) {
      const deliveriesPerPublish = receivers / options.channels
      this.#saturation = new Saturation({ inFlight: options.inFlight, publishers, deliveriesPerPublish })
      setTimeout(() => this.#saturate(), phases.startMs - this.#clock.nowMs())
      return
    }
    this.#pacer = new Pacer({
      schedule: new Schedule({ ...pace, endMs: phases.endMs }),
      clock: this.#clock,
      send: (n, intendedMs) => this.#send(n, intendedMs),
      handleDone: () => this.#endSending(),
    })
  }

  wake(): void {
    this.#pacer?.wake()
  }

  cut(endMs: number): void {
    this.#endMs = Math.min(this.#endMs, endMs)
    this.#pacer?.cut(endMs)
  }

  async close(): Promise<void> {
    await this.#door?.close()
  }

  #saturate(): void {
    if (this.#clock.nowMs() >= this.#endMs) return this.#endSending()
    this.#fill()
    setTimeout(() => this.#saturate(), LOOK_MS)
  }

  #fill(): void {
    if (this.#saturation === null || this.#allSent) return
    const nowMs = this.#clock.nowMs()
    if (nowMs >= this.#endMs) return
    const allSent = liveSum(this.#live, Live.Sent)
    const delivered = liveSum(this.#live, Live.Received)
    const progress = { sent: this.#sent, answered: this.#answered, allSent, delivered }
    for (let free = this.#saturation.free(progress, nowMs); free > 0; free -= 1) this.#send(this.#sent, nowMs)
  }

  #send(n: number, intendedMs: number): void {
    const channel = n % this.#frames.length
    const { before, after } = this.#frames[channel] as ItemFrame
    const item = before + this.#stamper.stamp(n, intendedMs) + after
    const nowMs = this.#clock.nowMs()
    this.#sent += 1
    this.#published[channel] = (this.#published[channel] as number) + 1
    this.#sentTimes[n] = nowMs
    this.#tally.sent(intendedMs, nowMs)
    this.#door?.publish(n, intendedMs, item)
  }

  #handleDone(n: number, intendedMs: number, failure: PublishFailure | null): void {
    this.#answered += 1
    if (failure !== null) {
      const channel = n % this.#frames.length
      this.#published[channel] = (this.#published[channel] as number) - 1
      this.#sentTimes[n] = NaN
      this.#tally.fail(failure.kind, failure.example)
    } else if (this.#door?.answers === true) {
      this.#answers.record(intendedMs, this.#clock.nowMs())
    }
    // With nobody to wait for, the answer makes room for the next one.
    if (this.#door?.answers === true) this.#fill()
    this.#checkIdle()
  }

  #endSending(): void {
    this.#allSent = true
    this.#checkIdle()
  }

  #checkIdle(): void {
    if (this.#allSent && this.#answered === this.#sent) this.#handleIdle()
  }
}
