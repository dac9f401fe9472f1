import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { missingForC } from './native-client.js'

const missing = missingForC()
if (missing !== null) console.log(`the self-test of the load client is skipped: ${missing}`)

test.skipIf(missing !== null)('the load client passes its self-test with a random seed, under sanitizers', () => {
  const folder = mkdtempSync(join(tmpdir(), 'native-bench-'))
  try {
    const cflags = '-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all'
    const program = join(folder, 'selftest')
    const client = join(import.meta.dirname, 'client')
    execFileSync('make', ['-s', '-C', client, `OUT=${folder}`, `CFLAGS=${cflags}`, program], { stdio: 'inherit' })
    const seed = String(Math.floor(Math.random() * 1e9))
    const options = { encoding: 'utf8', env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' } } as const
    expect(runOrOutput(program, [seed], options)).toBe(`seed ${seed}: all checks hold\n`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** What it prints, also when it fails. */
function runOrOutput(program: string, args: string[], options: { encoding: 'utf8'; env: NodeJS.ProcessEnv }): string {
  try {
    return execFileSync(program, args, options)
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    return `${stdout ?? ''}${stderr ?? ''}`
  }
}
