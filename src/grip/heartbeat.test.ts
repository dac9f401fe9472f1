import { describe, expect, it } from 'vitest'
import { Prng } from '../base/prng.js'
import { Heartbeat } from './heartbeat.js'

const TIMES = { pingIntervalMs: 30_000, timeoutMs: 45_000 }

describe('heartbeat', () => {
  it('pings every interval and gives up when nothing comes for the time-out', () => {
    const heartbeat = new Heartbeat(TIMES, 0, 0.5)
    const verdicts: string[] = []
    for (let now = 0; now <= 60_000; now += 500) {
      const verdict = heartbeat.advance(now)
      if (verdict !== 'wait') verdicts.push(`${verdict} ${String(now)}`)
      if (verdict === 'gone') break
    }
    expect(verdicts).toEqual(['ping 15000', 'gone 45000'])
  })

  it('takes any frame as a sign of life', () => {
    const heartbeat = new Heartbeat(TIMES, 0, 0)
    for (let now = 0; now < 1_000_000; now += 10_000) {
      expect(heartbeat.advance(now)).not.toBe('gone')
      heartbeat.handleSign(now)
    }
    expect(heartbeat.advance(990_000 + 44_999)).not.toBe('gone')
    expect(heartbeat.advance(990_000 + 45_000)).toBe('gone')
  })

  it('asks to be looked at no later than the next thing that can be due', () => {
    const heartbeat = new Heartbeat(TIMES, 0, 0.9)
    expect(heartbeat.deadlineMs).toBe(27_000)
    expect(heartbeat.advance(27_000)).toBe('ping')
    expect(heartbeat.deadlineMs).toBe(45_000)
    heartbeat.handleSign(40_000)
    expect(heartbeat.deadlineMs).toBe(57_000)
  })

  it('spreads the pings of many sockets that came at once', () => {
    const prng = new Prng(7)
    const sockets = Array.from({ length: 30_000 }, () => new Heartbeat(TIMES, 0, prng.next()))
    for (let second = 0; second < 90; second++) {
      let pings = 0
      for (const socket of sockets) {
        if (socket.advance(second * 1000) === 'ping') pings++
        socket.handleSign(second * 1000)
      }
      if (second > 0) expect(pings).toBeGreaterThan(800)
      if (second > 0) expect(pings).toBeLessThan(1200)
    }
  })

  it('does not send the pings of a long pause all at once', () => {
    const heartbeat = new Heartbeat({ pingIntervalMs: 1000, timeoutMs: 1_000_000 }, 0, 0)
    expect(heartbeat.advance(10_500)).toBe('ping')
    expect(heartbeat.advance(10_900)).toBe('wait')
    expect(heartbeat.advance(11_000)).toBe('ping')
  })
})
