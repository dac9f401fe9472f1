import { expect, test } from 'vitest'
import { Stamper, StampReader } from '../measure/stamp.js'
import { PollInbox } from './poll-inbox.js'
import { Series } from './tally.js'
import type { Tally } from './tally.js'

const SETTLE_MS = 100

function rig(options: { readonly channels?: number; readonly channel?: number } = {}) {
  const { channels = 1, channel = 0 } = options
  const failures: string[] = []
  const sentTimes = new Float64Array(100)
  const tally = { fail: (kind: string) => failures.push(kind), count: () => {} } as unknown as Tally
  const reader = new StampReader('aaaaaaaa', 0)
  const stamper = new Stamper('aaaaaaaa', 0, 0, 60)
  const delivery = new Series(0)
  const inbox = new PollInbox(channel, { reader, tally, delivery, channels, sentTimes, settleMs: SETTLE_MS })
  return {
    inbox,
    failures,
    delivery,
    publish: (number: number, atMs: number) => {
      sentTimes[number] = atMs
    },
    answer: (number: number, atMs: number) => {
      const bytes = Buffer.from(stamper.stamp(number, atMs - 2))
      inbox.receive(bytes, 0, bytes.length, atMs)
    },
  }
}

test('a held poll is answered by each publish', () => {
  const { inbox, publish, answer, failures, delivery } = rig()
  inbox.handlePolled(1)
  publish(0, 500)
  expect(inbox.missing()).toBe(1)
  answer(0, 501)
  inbox.handlePolled(502)
  publish(1, 1_000)
  answer(1, 1_001)
  inbox.handlePolled(1_002)
  expect(inbox.counts([])).toMatchObject({ expected: 2, received: 2, missing: 0, betweenPolls: 0, duplicates: 0 })
  expect(failures).toEqual([])
  expect(delivery.histogram.maxValue).toBe(2_000)
})

test('what is published while a poll is on its way is not missing', () => {
  const { inbox, publish, answer } = rig()
  inbox.handlePolled(1)
  publish(0, 500)
  answer(0, 501)
  publish(1, 502)
  inbox.handlePolled(503)
  publish(2, 503 + SETTLE_MS)
  publish(3, 5_000)
  answer(3, 5_001)
  publish(4, 5_002)
  expect(inbox.counts([])).toMatchObject({ received: 2, missing: 0, betweenPolls: 2 })
})

test('what a held poll did not get is missing, and counted once', () => {
  const { inbox, publish, answer } = rig()
  inbox.handlePolled(1)
  publish(0, 500)
  publish(1, 1_000)
  answer(1, 1_001)
  inbox.handlePolled(1_002)
  expect(inbox.counts([])).toMatchObject({ expected: 2, received: 1, missing: 1 })
  publish(2, 2_000)
  expect(inbox.missing()).toBe(2)
})

test('a publish that was refused is not waited for', () => {
  const { inbox, publish } = rig()
  inbox.handlePolled(1)
  publish(0, NaN)
  expect(inbox.missing()).toBe(0)
  publish(1, 1_000)
  expect(inbox.missing()).toBe(1)
})

test('a poll answered with an old message, and one of another channel', () => {
  const { inbox, publish, answer, failures } = rig({ channels: 3, channel: 1 })
  inbox.handlePolled(1)
  publish(1, 500)
  answer(1, 501)
  inbox.handlePolled(502)
  answer(1, 700)
  answer(2, 701)
  expect(failures).toEqual(['duplicate messages', 'message of another channel'])
  expect(inbox.counts([])).toMatchObject({ received: 1, duplicates: 1, missing: 0 })
})

test('a poll that timed out is followed by another', () => {
  const { inbox, publish, answer } = rig()
  inbox.handlePolled(1)
  const bytes = Buffer.from('nothing for now\n')
  inbox.receive(bytes, 0, bytes.length, 55_001)
  publish(0, 55_002)
  inbox.handlePolled(55_003)
  expect(inbox.missing()).toBe(0)
  publish(1, 60_000)
  answer(1, 60_001)
  expect(inbox.counts([])).toMatchObject({ received: 1, missing: 0, betweenPolls: 1 })
})
