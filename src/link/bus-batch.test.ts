import { describe, expect, it } from 'vitest'
import { encodeBatch, forEachOfBatch } from './bus-batch.js'

const TOPIC = Buffer.from('topic')

function roundTrip(messages: readonly Buffer[]): Buffer[] {
  const bytes = messages.reduce((sum, { length }) => sum + length, 0)
  const taken: Buffer[] = []
  forEachOfBatch(encodeBatch(TOPIC, messages, bytes), TOPIC.length, (message) => taken.push(message))
  return taken
}

describe('a batch', () => {
  it('begins with its topic', () => {
    expect(encodeBatch(TOPIC, [Buffer.from('a')], 1).subarray(0, 5)).toEqual(TOPIC)
  })

  it('gives back its messages in order, empty ones too', () => {
    const messages = ['one', '', 'three'].map((text) => Buffer.from(text))
    expect(roundTrip(messages)).toEqual(messages)
  })

  it('gives slices, not copies', () => {
    const [one, two] = roundTrip([Buffer.from('one'), Buffer.from('two')])
    expect(one?.buffer).toBe(two?.buffer)
  })
})
