import { describe, expect, test } from 'vitest'
import { FLAGS, helpText, parseArguments } from './cli.js'
import { describeFault } from './fault.js'
import type { Flags } from './cli.js'

const NONE: Flags = {
  config: null,
  logfile: null,
  logLevel: null,
  mergeOutput: false,
  port: null,
  id: null,
  routeLines: [],
  routes: null,
  workers: null,
}

test.each<[string[], Partial<Flags>]>([
  [[], {}],
  [['--config=a.conf'], { config: 'a.conf' }],
  [['--config', 'a.conf'], { config: 'a.conf' }],
  [['-config', 'a.conf'], { config: 'a.conf' }],
  [['-config=a=b'], { config: 'a=b' }],
  [['--config=a', '--config=b'], { config: 'b' }],
  [['--logfile=x'], { logfile: 'x' }],
  [['--loglevel=3'], { logLevel: 3 }],
  [['--loglevel=1,proxy:3'], { logLevel: 1 }],
  [['--loglevel=proxy:3'], { logLevel: 2 }],
  [['--loglevel=9'], { logLevel: 4 }],
  [['--verbose'], { logLevel: 3 }],
  [['--loglevel=0', '-verbose'], { logLevel: 3 }],
  [['-m'], { mergeOutput: true }],
  [['--merge-output'], { mergeOutput: true }],
  [['--port=80'], { port: { host: '0.0.0.0', port: 80 } }],
  [['--port', '127.0.0.1:80'], { port: { host: '127.0.0.1', port: 80 } }],
  [['--port=[::1]:80'], { port: { host: '::1', port: 80 } }],
  [['--port=*:80'], { port: { host: '0.0.0.0', port: 80 } }],
  [['--id=0'], { id: 0 }],
  [['--route=* test', '-route', 'a b:1'], { routeLines: ['* test', 'a b:1'] }],
  [['--routes=r'], { routes: 'r' }],
  [['--workers=4'], { workers: 4 }],
])('%j', (argv, flags) => {
  expect(parseArguments(argv)).toEqual({ command: { kind: 'run', flags: { ...NONE, ...flags } }, faults: [] })
})

test.each([
  [['--version'], 'version'],
  [['-v'], 'version'],
  [['-V'], 'version'],
  [['--help'], 'help'],
  [['-h'], 'help'],
  [['--help', '--port=0', '--what'], 'help'],
  [['--check-config'], 'check'],
  [['-check-config', '-m'], 'check'],
])('%j: %s', (argv, kind) => {
  const { command, faults } = parseArguments(argv)
  expect([command.kind, faults]).toEqual([kind, []])
})

describe('faults', () => {
  test.each([
    [['--port=0'], '--port: port must be greater than or equal to 1'],
    [['--port='], '--port: missing value'],
    [['--port'], '--port: missing value'],
    [['--port=1.2.3.4:0'], '--port: port must be greater than or equal to 1'],
    [['--port=x'], '--port: invalid http port: x'],
    [['--port=65536'], '--port: invalid http port: 65536'],
    [['--port=::1:80'], '--port: invalid http port: ::1:80'],
    [['--port=[x]:80'], '--port: invalid http port: [x]:80'],
    [['--id=-1'], '--id: id must be greater than or equal to 0'],
    [['--id=x'], '--id: id must be greater than or equal to 0'],
    [['--loglevel=x'], '--loglevel: log level must be greater than or equal to 0'],
    [['--loglevel=-1'], '--loglevel: log level must be greater than or equal to 0'],
    [['--loglevel=2,'], '--loglevel: log level component cannot be empty'],
    [['--loglevel=:2'], '--loglevel: log level component name cannot be empty'],
    [['--loglevel=proxy:x'], '--loglevel: log level for service proxy must be greater than or equal to 0'],
    [['--workers=-1'], '--workers: must be between 0 and 1024'],
    [['--workers=many'], '--workers: must be between 0 and 1024'],
    [['--verbose=1'], '--verbose: takes no value'],
    [['--what=1'], '--what: unknown option'],
    [['-x'], '-x: unknown option'],
    [['file'], 'unexpected argument: file'],
    [['-'], 'unexpected argument: -'],
    [['--routes=r', '--route=* test'], '--routes: cannot be given together with --route'],
  ])('%j: %s', (argv, text) => {
    expect(parseArguments(argv).faults.map(describeFault)).toEqual([text])
  })

  test('all of them at once', () => {
    expect(parseArguments(['--port=0', '--id=x', 'y', '--workers=-2']).faults).toHaveLength(4)
  })
})

test('the help text has every flag', () => {
  for (const { name, doc } of FLAGS) {
    expect(helpText()).toContain(`--${name}`)
    expect(helpText()).toContain(doc)
  }
})
