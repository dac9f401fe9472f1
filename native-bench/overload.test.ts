import { expect, test } from 'vitest'
import { boundedness, renderOverload } from './overload.js'
import { parseOverloadArguments } from './overload-arguments.js'

const MB = 2 ** 20

test('memory that rises to a limit and stays there is bounded', () => {
  expect(
    boundedness(
      [100, 300, 310, 300, 320, 310].map((mb) => mb * MB),
      500,
    ),
  ).toMatchObject({ holds: true })
})

test('memory that goes on growing is not, and neither is memory above the limit', () => {
  expect(
    boundedness(
      [100, 200, 300, 400, 500, 600].map((mb) => mb * MB),
      2_000,
    ),
  ).toMatchObject({ holds: false })
  expect(
    boundedness(
      [100, 600, 300, 300].map((mb) => mb * MB),
      500,
    ),
  ).toMatchObject({ holds: false })
  expect(boundedness([], 500)).toMatchObject({ holds: false })
})

test('flags of the overload', () => {
  expect(parseOverloadArguments(['--seconds=5', '--tackboard-conf=runner.workers=1'])).toMatchObject({
    seconds: 5,
    rssMaxMb: 2_000,
    conf: { 'runner.workers': '1' },
  })
  expect(() => parseOverloadArguments(['--quick'])).toThrow('unknown argument: --quick')
})

test('what fails is easy to see', () => {
  const verdicts = [
    { what: 'a', holds: true, detail: 'x' },
    { what: 'b', holds: false, detail: 'y' },
  ]
  expect(renderOverload({ verdicts, notes: ['z'] })).toBe('ok      a: x\nFAILED  b: y\n        z')
})
