import { expect, test } from 'vitest'
import { Prng } from '../base/prng.js'
import { BarrierAnswers, decodeLastIds, encodeLastIds } from './barrier-answers.js'

test('answers in the order of the barriers, with the channels of each, whatever comes first', () => {
  const sent: string[] = []
  const answers = new BarrierAnswers((topic, channels) => sent.push(`${topic.toString()}(${channels.join(' ')})`))
  const barrier = (number: number, asks: boolean): void => {
    answers.handleBarrier(Buffer.from(String(number)), number, asks)
  }
  barrier(1, false)
  barrier(2, true)
  barrier(3, false)
  answers.handleQuestion(4, ['x'])
  expect(sent).toEqual(['1()'])
  answers.handleQuestion(2, ['a', 'b'])
  expect(sent).toEqual(['1()', '2(a b)', '3()'])
  barrier(4, true)
  expect(sent.at(-1)).toBe('4(x)')
})

test('last ids come out as they went in', () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
  console.log(`last ids: FUZZ_SEED=${String(seed)}`)
  const prng = new Prng(seed)
  for (let run = 0; run < 300; run++) {
    const ids = Array.from({ length: prng.below(5) }, () =>
      prng.below(3) === 0
        ? null
        : Array.from({ length: prng.below(9) }, () => String.fromCharCode(prng.below(256))).join(''),
    )
    expect(decodeLastIds(encodeLastIds(ids))).toEqual(ids)
  }
})
