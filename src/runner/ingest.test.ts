import { beforeEach, describe, expect, it } from 'vitest'
import { Deadlines } from '../base/deadlines.js'
import type { PublishItem } from '../wire/publish-types.js'
import { Door, Ingest } from './ingest.js'

function item(channel: string, id: string | null, more: Partial<PublishItem> = {}): PublishItem {
  const none = { httpStream: null, httpResponse: null, wsMessage: null, meta: null }
  return { channel, id, prevId: null, ...none, size: -1, noSeq: false, ...more }
}

describe('ingest', () => {
  let nowMs: number
  let full: boolean
  let put: string[]
  /** What went its way, by channel and id. */
  let items: string[]
  let calls: string[]
  let notes: string[]
  let deadlines: Deadlines
  let ingest: Ingest

  beforeEach(() => {
    nowMs = 0
    full = false
    put = []
    items = []
    calls = []
    notes = []
    deadlines = new Deadlines(0)
    ingest = new Ingest({
      bus: {
        put: ({ channel, id }) => {
          put.push(`${channel} ${String(id)}`)
          return true
        },
        isSubscribed: (channel) => channel !== 'nobody',
        isFull: () => full,
        note: (channel, note) => notes.push(`${channel} ${note}`),
        recover: () => notes.push('recover'),
      },
      deadlines,
      messageWaitMs: 5_000,
      idCacheTtlMs: 60_000,
      nowMs: () => nowMs,
      onItem: ({ channel, id }) => items.push(`${channel} ${String(id)}`),
      pause: () => calls.push('pause'),
      resume: () => calls.push('resume'),
    })
  })

  it('puts what is published on the bus and counts it by door', () => {
    ingest.take(item('a', null), Door.Http)
    ingest.take(item('nobody', null), Door.Pull)
    expect(put).toEqual(['a null'])
    expect(items).toEqual(['a null', 'nobody null'])
    expect(ingest.counts).toMatchObject({ received: { http: 1, pull: 1, sub: 0, demo: 0 }, unsubscribed: 1, put: 1 })
  })

  it('drops a second item with the same channel and id until the first is old', () => {
    for (const door of [Door.Http, Door.Pull, Door.Sub]) ingest.take(item('a', '1'), door)
    ingest.take(item('b', '1'), Door.Http)
    expect(put).toEqual(['a 1', 'b 1'])
    expect(ingest.counts.duplicates).toBe(2)
    nowMs = 60_001
    ingest.take(item('a', '1'), Door.Http)
    expect(put.length).toBe(3)
  })

  it('remembers an id before anybody has subscribed', () => {
    ingest.take(item('nobody', '1'), Door.Http)
    ingest.take(item('nobody', '1'), Door.Http)
    expect(ingest.counts.duplicates).toBe(1)
  })

  const advance = (ms: number): void => {
    nowMs += ms
    deadlines.advance(nowMs)
  }

  it('brings items into the order of their prev-ids', () => {
    ingest.take(item('a', '1'), Door.Http)
    ingest.take(item('a', '3', { prevId: '2' }), Door.Http)
    expect(put).toEqual(['a 1'])
    ingest.take(item('a', '2', { prevId: '1' }), Door.Pull)
    expect(put).toEqual(['a 1', 'a 2', 'a 3'])
    expect(ingest.lastIds.get('a')).toBe('3')
  })

  it('lets an item go when it has waited for long, and those behind it', () => {
    ingest.take(item('a', '1'), Door.Http)
    ingest.take(item('a', '3', { prevId: '2' }), Door.Http)
    advance(1_000)
    ingest.take(item('a', '4', { prevId: '3' }), Door.Http)
    ingest.take(item('a', '6', { prevId: '5' }), Door.Http)
    advance(3_900)
    expect(put).toEqual(['a 1'])
    advance(200)
    expect(put).toEqual(['a 1', 'a 3', 'a 4'])
    advance(1_000)
    expect(put).toEqual(['a 1', 'a 3', 'a 4', 'a 6'])
    expect(ingest.sequencer.parked).toBe(0)
    expect(ingest.sequencer.releasedLate).toBe(2)
  })

  it('does not bring into order what says no-seq, nor remember it', () => {
    ingest.take(item('a', '1'), Door.Http)
    ingest.take(item('a', '9', { prevId: '8', noSeq: true }), Door.Http)
    expect(put).toEqual(['a 1', 'a 9'])
    expect(ingest.lastIds.get('a')).toBe('1')
  })

  it('remembers no last id of a channel that nobody holds, or holds no more', () => {
    ingest.take(item('nobody', '1'), Door.Http)
    expect(ingest.lastIds.get('nobody')).toBe(null)
    ingest.take(item('a', '1'), Door.Http)
    ingest.take(item('a', '3', { prevId: '2' }), Door.Http)
    ingest.handleUnsubscribed('a')
    expect(ingest.lastIds.get('a')).toBe(null)
    expect(ingest.sequencer.parked).toBe(0)
    advance(6_000)
    expect(put).toEqual(['a 1'])
  })

  it('forgets a last id for a session that has missed something, unless a newer one has come', () => {
    ingest.take(item('a', '1'), Door.Http)
    ingest.forget('a', '0')
    expect([ingest.lastIds.get('a'), notes]).toEqual(['1', []])
    ingest.forget('a', '1')
    ingest.forget('a', '1')
    expect([ingest.lastIds.get('a'), notes]).toEqual([null, ['a forget']])
    ingest.take(item('a', '5', { prevId: '4' }), Door.Http)
    expect(put).toEqual(['a 1', 'a 5'])
    ingest.forget('a', null)
    expect(ingest.lastIds.get('a')).toBe(null)
  })

  it('recovers: forgets all last ids and tells the shards', () => {
    ingest.take(item('a', '1'), Door.Http)
    ingest.recover()
    expect([ingest.lastIds.size, notes]).toEqual([0, ['recover']])
  })

  it('holds publishers back while the bus is full and lets them go when it has room', async () => {
    expect(ingest.room()).toBe(undefined)
    full = true
    ingest.take(item('a', null), Door.Pull)
    ingest.take(item('a', null), Door.Pull)
    expect(calls).toEqual(['pause'])
    expect(ingest.paused).toBe(true)
    let answered = false
    const waiting = Promise.resolve(ingest.room()).then(() => (answered = true))
    await new Promise((resolve) => setImmediate(resolve))
    expect(answered).toBe(false)
    full = false
    await waiting
    expect(calls).toEqual(['pause', 'resume'])
    expect(ingest.counts.pauses).toBe(1)
  })
})
