import { expect, test } from 'vitest'
import { Gate } from './gate.js'

test('those who wait get their turns in order, as many at a time as may run', () => {
  const gate = new Gate(2, 5000)
  const ran: number[] = []
  for (let one = 0; one < 4000; one++) expect(gate.enter(() => ran.push(one))).toBe(true)
  expect([ran, gate.waiting]).toEqual([[0, 1], 3998])
  for (let left = 0; left < 3998; left++) {
    gate.leave()
    expect(ran.length).toBe(left + 3)
  }
  expect(ran).toEqual(Array.from({ length: 4000 }, (_, one) => one))
  gate.leave()
  gate.leave()
  expect(gate.waiting).toBe(0)
  gate.enter(() => ran.push(-1))
  gate.enter(() => ran.push(-2))
  gate.enter(() => ran.push(-3))
  expect(ran.slice(4000)).toEqual([-1, -2])
})

test('above the limit nobody may wait', () => {
  const gate = new Gate(1, 1)
  const ran: string[] = []
  expect(['a', 'b', 'c'].map((one) => gate.enter(() => ran.push(one)))).toEqual([true, true, false])
  gate.leave()
  gate.leave()
  expect(ran).toEqual(['a', 'b'])
})

test('leaving without having entered is a fault of ours', () => {
  expect(() => {
    new Gate(1, 1).leave()
  }).toThrow('whoever leaves')
})
