import { expect, test } from 'vitest'
import { parseRoutes } from './routes.js'
import { zhttpAddresses, zhttpRoutes } from './zhttp-spec.js'

test.each([
  ['tcp://127.0.0.1:10000', ['tcp://127.0.0.1:10000', 'tcp://127.0.0.1:10001', 'tcp://127.0.0.1:10002']],
  ['tcp://*:9', ['tcp://*:9', 'tcp://*:10', 'tcp://*:11']],
  ['tcp://[::1]:5000', ['tcp://[::1]:5000', 'tcp://[::1]:5001', 'tcp://[::1]:5002']],
  ['ipc:///tmp/x', ['ipc:///tmp/x-out', 'ipc:///tmp/x-out-stream', 'ipc:///tmp/x-in']],
  ['ipc:///tmp/a:1', ['ipc:///tmp/a:1-out', 'ipc:///tmp/a:1-out-stream', 'ipc:///tmp/a:1-in']],
])('three addresses of %s', (spec, addresses) => {
  const { out, outStream, in: workers } = zhttpAddresses(spec)
  expect([out, outStream, workers]).toEqual(addresses)
})

test('each kind and spec once, with the mode of its first target', () => {
  const { table } = parseRoutes(
    [
      'a test zhttp/ipc:///one,ipc_file_mode=600',
      'b zhttp/ipc:///one,ipc_file_mode=777 127.0.0.1:80',
      'c zhttpreq/ipc:///one zhttpreq/ipc:///one',
    ].join('\n'),
    '/routes',
  )
  expect(zhttpRoutes(table)).toEqual([
    { kind: 'zhttp', spec: 'ipc:///one', ipcFileMode: 0o600 },
    { kind: 'zhttpreq', spec: 'ipc:///one', ipcFileMode: null },
  ])
})
