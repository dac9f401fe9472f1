import { expect, test } from 'vitest'
import { startGateway } from '../gateway.js'

test('keys that cannot be read are named once, at start', async () => {
  const gateway = await startGateway({
    routes: ['*,sig_iss=x,sig_key=file:/no/such/key test'],
    conf: { 'proxy.upstream_key': 'file:/no/such/upstream' },
    workers: 2,
  })
  await gateway.stop()
  const lines = (gateway.stdout + gateway.stderr).split('\n').filter((line) => line.includes('key cannot be used'))
  expect(lines).toHaveLength(2)
  expect(lines[0]).toContain('/no/such/upstream')
  expect(lines[1]).toContain('/no/such/key')
})
