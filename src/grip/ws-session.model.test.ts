import { describe, expect, it } from 'vitest'
import { WsSessionModel } from '../testing/ws-session-model.js'
import { WsReplay } from './ws-replay.js'

const RUNS = Number(process.env['SIM_RUNS'] ?? 4000)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_007)

function runMany(firstSeed: number, runs: number): void {
  for (let run = 0; run < runs; run++) {
    try {
      new WsSessionModel(firstSeed + run).run()
    } catch (error) {
      throw new Error(`FUZZ_SEED=${String(firstSeed + run)} SIM_RUNS=1`, { cause: error })
    }
  }
}

/** Runs with a broken accept; true when a checker has noticed. */
function isFound(break_: (bytes: number, offered: number) => number): boolean {
  const accept = WsReplay.prototype.accept
  WsReplay.prototype.accept = function (this: WsReplay, bytes: number): boolean {
    return accept.call(this, break_(bytes, this.offeredBytes))
  }
  try {
    runMany(1, 300)
    return false
  } catch {
    return true
  } finally {
    WsReplay.prototype.accept = accept
  }
}

describe('random sessions', () => {
  it(
    `keep every rule in ${String(RUNS)} runs (FUZZ_SEED=${String(seed)})`,
    () => {
      runMany(seed, RUNS)
    },
    Math.max(30_000, RUNS * 10),
  )

  it('a broken accept is found: one byte too few, one too many, nothing, everything', () => {
    expect(isFound((bytes) => Math.max(bytes - 1, 0))).toBe(true)
    expect(isFound((bytes, offered) => Math.min(bytes + 1, offered))).toBe(true)
    expect(isFound(() => 0)).toBe(true)
    expect(isFound((_bytes, offered) => offered)).toBe(true)
    expect(isFound((bytes) => bytes)).toBe(false)
  })
})
