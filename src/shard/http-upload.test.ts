import type uWS from 'uWebSockets.js'
import { describe, expect, test } from 'vitest'
import { Deadlines } from '../base/deadlines.js'
import { UPLOAD_PULSE_MS, UPLOAD_UNREAD_BYTES_MAX } from '../base/limits.js'
import { HttpUpload, type PulsedUpload, UploadPulse } from './http-upload.js'

const IDLE_MS = 60_000

/** A pulse whose time is moved by hand, and an upload whose pauses are written down. */
function setUp() {
  let nowMs = 0
  const deadlines = new Deadlines(0)
  const pulse = new UploadPulse(deadlines, { nowMs: () => nowMs }, IDLE_MS)
  const calls: string[] = []
  const res = { pause: () => calls.push('pause'), resume: () => calls.push('resume') } as unknown as uWS.HttpResponse
  const upload = new HttpUpload(res, 0)
  const entry: PulsedUpload = { upload, handleUploadIdle: () => void calls.push('idle') }
  const receive = (bytes: number, isLast = false): void => {
    upload.handleData(new ArrayBuffer(bytes), isLast, nowMs)
  }
  const advance = (ms: number): string[] => {
    // In steps, as the shard's tick does.
    for (const endMs = nowMs + ms; nowMs < endMs;) {
      nowMs = Math.min(nowMs + 50, endMs)
      deadlines.advance(nowMs)
    }
    return calls.splice(0)
  }
  return { pulse, upload, entry, receive, advance }
}

describe('the pulse', () => {
  test('starts the clock of uWebSockets.js anew, again and again', () => {
    const { pulse, entry, receive, advance } = setUp()
    pulse.add(entry)
    receive(10)
    expect(advance(UPLOAD_PULSE_MS + 100)).toEqual(['pause', 'resume'])
    receive(10)
    expect(advance(UPLOAD_PULSE_MS + 100)).toEqual(['pause', 'resume'])
  })

  test('a paused upload stays paused, however long the backend stalls', () => {
    const { pulse, entry, upload, receive, advance } = setUp()
    pulse.add(entry)
    receive(UPLOAD_UNREAD_BYTES_MAX + 1)
    expect(upload.isPaused).toBe(true)
    const calls = advance(IDLE_MS * 3)
    expect(calls[0]).toBe('pause')
    const pulses = calls.slice(1)
    expect(pulses.length).toBeGreaterThan(40)
    expect(pulses.filter((call, index) => call !== (index % 2 === 0 ? 'resume' : 'pause'))).toEqual([])
  })

  test('a client that sends nothing for the time-out is let go', () => {
    const { pulse, entry, receive, advance } = setUp()
    pulse.add(entry)
    receive(10)
    expect(advance(IDLE_MS - 5_000)).not.toContain('idle')
    receive(1)
    expect(advance(IDLE_MS - 5_000)).not.toContain('idle')
    expect(advance(10_000)).toContain('idle')
  })

  test('rests when the last upload is complete or gone', () => {
    const { pulse, entry, receive, advance } = setUp()
    pulse.add(entry)
    receive(10, true)
    expect(advance(UPLOAD_PULSE_MS * 3)).toEqual([])
    pulse.add(entry)
    pulse.delete(entry)
    expect(advance(UPLOAD_PULSE_MS * 3)).toEqual([])
  })
})

test('a reader that falls behind pauses the client, and half of it read resumes', async () => {
  const { upload, receive, advance } = setUp()
  const reader = upload.read(false)
  for (let sent = 0; sent <= UPLOAD_UNREAD_BYTES_MAX; sent += 65_536) receive(65_536)
  expect(advance(0)).toEqual(['pause'])
  reader.on('data', () => {})
  await new Promise((resolve) => setImmediate(resolve))
  expect(advance(0)).toEqual(['resume'])
  expect(upload.isWhole).toBe(false)
})
