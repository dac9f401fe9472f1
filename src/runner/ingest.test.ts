import { beforeEach, describe, expect, it } from 'vitest'
import type { PublishItem } from '../wire/publish-types.js'
import { Door, Ingest } from './ingest.js'

function item(channel: string, id: string | null): PublishItem {
  const none = { httpStream: null, httpResponse: null, wsMessage: null, meta: null }
  return { channel, id, prevId: null, ...none, size: -1, noSeq: false }
}

describe('ingest', () => {
  let nowMs: number
  let full: boolean
  let put: string[]
  let calls: string[]
  let ingest: Ingest

  beforeEach(() => {
    nowMs = 0
    full = false
    put = []
    calls = []
    ingest = new Ingest({
      bus: {
        put: ({ channel, id }) => {
          if (channel === 'nobody') return false
          put.push(`${channel} ${String(id)}`)
          return true
        },
        isFull: () => full,
      },
      idCacheTtlMs: 60_000,
      nowMs: () => nowMs,
      pause: () => calls.push('pause'),
      resume: () => calls.push('resume'),
    })
  })

  it('puts what is published on the bus and counts it by door', () => {
    ingest.take(item('a', null), Door.Http)
    ingest.take(item('nobody', null), Door.Pull)
    expect(put).toEqual(['a null'])
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
