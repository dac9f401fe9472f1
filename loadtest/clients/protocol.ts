/** What the main thread and the worker threads of a run say to each other. */
import type { MessagePort } from 'node:worker_threads'
import type { Failure } from '../measure/failures.js'
import type { LoadOptions } from '../options.js'

/** Where the clients connect: resolved once, so that thousands of connections ask no resolver. */
export interface Target {
  readonly secure: boolean
  readonly hostname: string
  readonly port: number
  readonly address: string
  readonly family: 4 | 6
}

/**
 * Numbers that everybody may read at any time: one row of doubles per worker, written by this worker only. A row is as
 * long as a cache line.
 */
export const Live = { Open: 0, Received: 1, Sent: 2, Failures: 3 } as const
export type Live = (typeof Live)[keyof typeof Live]
export const LIVE_ROW = 8

export function liveSum(live: Float64Array, field: Live): number {
  let sum = 0
  for (let at: number = field; at < live.length; at += LIVE_ROW) sum += live[at] as number
  return sum
}

/** Times of the machine clock, milliseconds. */
export interface Phases {
  /** The load begins. */
  readonly startMs: number
  /** What should have been sent from now on is measured. */
  readonly measureMs: number
  readonly endMs: number
}

export interface WorkerStart {
  /** Number of this worker: its row of `live`. */
  readonly worker: number
  /** What it does, for people. */
  readonly role: string
  readonly options: LoadOptions
  readonly target: Target
  readonly run: string
  readonly epochMs: number
  readonly live: SharedArrayBuffer
  readonly port: MessagePort
  /** Beats of the metronome come here, when it sends by a schedule. */
  readonly ticks: MessagePort
}

export interface ClientsStart extends WorkerStart {
  readonly connections: number
  /** Number of the first one: they have numbers of their own over all workers. */
  readonly firstConnection: number
  /** When each publish was sent, doubles by its number (PollPost); empty where nobody asks. */
  readonly sentTimes: SharedArrayBuffer
}

export interface PublisherStart extends WorkerStart {
  /** Number among the publishers. */
  readonly source: number
  readonly publishers: number
  readonly sentTimes: SharedArrayBuffer
}

/** One beat per row and interval. */
export interface Beat {
  readonly port: MessagePort
  readonly startMs: number
  readonly intervalMs: number
}

export interface MetronomeStart {
  readonly beats: readonly Beat[]
  readonly endMs: number
  /** One Int32: anything but 0 stops it. */
  readonly stop: SharedArrayBuffer
}

/** How fast a worker sends: its own share, with its own place between the others. */
export interface Pace {
  readonly startMs: number
  readonly ratePerSecond: number
}

export type Command =
  | {
      readonly kind: 'begin'
      readonly phases: Phases
      /** Null: as fast as it goes, or nothing to send. */
      readonly pace: Pace | null
      /** Connections open over all workers. */
      readonly receivers: number
    }
  /** Send nothing at `endMs` or later. */
  | { readonly kind: 'cut'; readonly endMs: number }
  /** Wait for what is missing, close, give the result. `published`: by source and channel. */
  | { readonly kind: 'finish'; readonly published: readonly (readonly number[])[] }

export type WorkerEvent =
  /** Every connection is open or has failed. */
  | { readonly kind: 'ready' }
  /** All sent (publishers). */
  | { readonly kind: 'sent' }
  /** The last one: after all intervals. */
  | { readonly kind: 'done' }
  | Interval

/** What was measured in one second. */
export interface Interval {
  readonly kind: 'interval'
  readonly worker: number
  /** 0: the first second of the measurement; -1: before it. */
  readonly second: number
  /** Series → encoded histogram. */
  readonly series: Readonly<Record<string, string>>
}

/** How much a worker had to do while it measured. */
export interface WorkerSigns {
  readonly role: string
  /** Share of the time its event loop was busy, 0 to 1. */
  readonly busy: number
  /** By how much timers came late, milliseconds. */
  readonly lagP99Ms: number
}

export interface WorkerResult {
  readonly failures: readonly Failure[]
  readonly signs: WorkerSigns
  /** By how much sends came late: encoded histogram; null: it sent nothing by a schedule. */
  readonly lateSends: string | null
  readonly counts: Counts
  /** By channel, without those that were refused (publishers). */
  readonly published: readonly number[]
}

export interface Counts {
  /** Messages, publishes or requests sent. */
  readonly sent: number
  /** What should have come back or been delivered. */
  readonly expected: number
  readonly received: number
  readonly missing: number
  readonly duplicates: number
  readonly outOfOrder: number
  /** Long polls: publishes that came between two polls. */
  readonly betweenPolls: number
}

export const NO_COUNTS: Counts = {
  sent: 0,
  expected: 0,
  received: 0,
  missing: 0,
  duplicates: 0,
  outOfOrder: 0,
  betweenPolls: 0,
}

export function addCounts(a: Counts, b: Counts): Counts {
  return {
    sent: a.sent + b.sent,
    expected: a.expected + b.expected,
    received: a.received + b.received,
    missing: a.missing + b.missing,
    duplicates: a.duplicates + b.duplicates,
    outOfOrder: a.outOfOrder + b.outOfOrder,
    betweenPolls: a.betweenPolls + b.betweenPolls,
  }
}
