import { expect, test } from 'vitest'
import { runTackboard, startGateway } from '../gateway.js'
import { ScriptedBackend } from '../scripted-backend.js'

test('a gateway starts on free ports, proxies, shows its numbers and stops with exit code 0', async () => {
  const backend = await ScriptedBackend.start((call) => call.answer(200, {}, `you asked for ${call.url}`))
  const gateway = await startGateway({ routes: [`* ${backend.target}`] })
  const answer = await fetch(gateway.httpUrl('/a?b=c'))
  expect(await answer.text()).toBe('you asked for /a?b=c')
  expect((await gateway.metrics()).samples.length).toBeGreaterThan(10)
  await gateway.stop()
  expect(await gateway.exited).toEqual({ code: 0, signal: null })
  await backend.stop()
})

test('two gateways run side by side', async () => {
  const [one, two] = await Promise.all([startGateway({ routes: ['* test'] }), startGateway({ routes: ['* test'] })])
  expect(one.ports.http).not.toBe(two.ports.http)
  await Promise.all([one.stop(), two.stop()])
})

test('a gateway that cannot start fails with what it printed', async () => {
  await expect(startGateway({ routes: ['* test'], args: ['--no-such-flag'] })).rejects.toThrow(
    /ended with exit code 2 before it was ready[^]*no-such-flag/,
  )
})

test('a run to the end gives exit code and output', async () => {
  const run = await runTackboard(['--version'])
  expect(run.code).toBe(0)
  expect(run.stdout).toContain('0.1.0')
})
