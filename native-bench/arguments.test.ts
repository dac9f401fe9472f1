import { expect, test } from 'vitest'
import { parseArguments } from './arguments.js'
import { withValues } from './servers/tackboard.js'

test('all works and servers, five runs, without flags', () => {
  const options = parseArguments([])
  expect(options.works.length).toBeGreaterThan(4)
  expect(options).toMatchObject({ runs: 5, quick: false, window: 1_000, conf: {}, jsonFile: null })
})

test('what is asked for', () => {
  const options = parseArguments([
    '--quick',
    '--only=proxy,fanout-ws',
    '--servers=uws,tackboard',
    '--tackboard-conf=runner.workers=1',
    '--tackboard-conf=proxy.sig_key=a=b',
  ])
  expect(options.works.map(({ name }) => name)).toEqual(['fanout-ws', 'proxy'])
  expect(options).toMatchObject({
    runs: 1,
    servers: ['tackboard', 'uws'],
    conf: { 'runner.workers': '1', 'proxy.sig_key': 'a=b' },
  })
})

test.each([
  [['--only=nothing'], 'no such work: nothing'],
  [['--servers=apache'], 'no such server: apache'],
  [['--runs=few'], '--runs wants a whole number, not few'],
  [['--tackboard-conf=workers=1'], '--tackboard-conf wants section.key=value, not workers=1'],
  [['--fast'], 'unknown argument: --fast'],
  [['fast'], 'unknown argument: fast'],
])('%j is refused', (args, message) => {
  expect(() => parseArguments(args)).toThrow(message)
})

test('values are set where a file has the key, at the end of its section, or in a new section', () => {
  const text = '[a]\nx=1\n#y=2\n\n[b]\nx=3'
  expect(withValues(text, { 'a.x': '$&', 'a.y': '4', 'b.x': '', 'c.z': '5' })).toBe(
    '[a]\nx=$&\n#y=2\n\ny=4\n[b]\nx=\n[c]\nz=5\n',
  )
})
