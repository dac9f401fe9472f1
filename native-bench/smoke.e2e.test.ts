import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseArguments } from './arguments.js'
import { bench, render } from './bench.js'
import { missingForClient } from './native-client.js'

const missing = missingForClient()
if (missing !== null) console.log(`the native benchmark is not tried: ${missing}`)

describe.skipIf(missing !== null)('the native benchmark', () => {
  beforeAll(() => {
    execFileSync('make', ['-s', '-C', join(import.meta.dirname, 'client')], { stdio: 'inherit' })
  })

  test('measures one work on Tackboard, and everything published has come or is counted', async () => {
    const report = await bench(parseArguments(['--quick', '--only=fanout-ws', '--servers=tackboard']), () => {})
    const text = render(report)
    expect(report.cells[0]?.failure).toBeNull()
    expect(report.cells[0]?.measures).toHaveLength(1)
    // README.md of the project: this uWebSockets.js ends about one of 30,000 fresh WebSockets on a busy machine.
    const faults = report.cells[0]?.measures[0]?.faults.filter((fault) => !fault.includes('connections opened')) ?? []
    expect(faults.filter((fault) => !fault.endsWith('closed-by-server'))).toEqual([])
    expect(text).toMatch(/^tackboard +\d[\d.,]* µs +1\.00×/m)
  })
})
