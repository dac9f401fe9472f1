import { expect, test } from 'vitest'
import { Saturation, STALL_MS } from './saturation.js'

test('no more unanswered publishes than allowed', () => {
  const saturation = new Saturation({ inFlight: 8, publishers: 1, deliveriesPerPublish: 0 })
  expect(saturation.free({ sent: 0, answered: 0, allSent: 0, delivered: 0 }, 0)).toBe(8)
  expect(saturation.free({ sent: 8, answered: 3, allSent: 8, delivered: 0 }, 0)).toBe(3)
  expect(saturation.free({ sent: 11, answered: 3, allSent: 11, delivered: 0 }, 0)).toBe(0)
})

test('a publish is under way until everybody has it', () => {
  const saturation = new Saturation({ inFlight: 4, publishers: 1, deliveriesPerPublish: 100 })
  expect(saturation.free({ sent: 4, answered: 4, allSent: 4, delivered: 0 }, 0)).toBe(0)
  expect(saturation.free({ sent: 4, answered: 4, allSent: 4, delivered: 99 }, 1)).toBe(0)
  expect(saturation.free({ sent: 4, answered: 4, allSent: 4, delivered: 250 }, 2)).toBe(2)
})

test('several publishers share the deliveries under way', () => {
  const saturation = new Saturation({ inFlight: 4, publishers: 2, deliveriesPerPublish: 10 })
  expect(saturation.free({ sent: 1, answered: 1, allSent: 5, delivered: 0 }, 0)).toBe(3)
  expect(saturation.free({ sent: 3, answered: 3, allSent: 8, delivered: 0 }, 0)).toBe(0)
})

test('messages that are lost do not stop a run', () => {
  const saturation = new Saturation({ inFlight: 4, publishers: 1, deliveriesPerPublish: 1 })
  const lost = { sent: 4, answered: 4, allSent: 4, delivered: 1 }
  expect(saturation.free(lost, 100)).toBe(1)
  expect(saturation.free({ ...lost, sent: 5, answered: 5, allSent: 5 }, 100 + STALL_MS - 1)).toBe(0)
  expect(saturation.free({ ...lost, sent: 5, answered: 5, allSent: 5 }, 100 + STALL_MS)).toBe(4)
  expect(saturation.free({ sent: 9, answered: 9, allSent: 9, delivered: 3 }, 100 + STALL_MS + 1)).toBe(2)
})
