import { describe, expect, test } from 'vitest'
import { type Linked, LinkedSet } from './linked-set.js'
import { Prng } from './prng.js'

class Member implements Linked<Member> {
  nextLinked: Member | null = null
  previousLinked: Member | null = null
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

function setOf(...names: string[]): { set: LinkedSet<Member>; members: Member[] } {
  const set = new LinkedSet<Member>()
  const members = names.map((name) => new Member(name))
  for (const member of members) set.add(member)
  return { set, members }
}

const namesOf = (set: LinkedSet<Member>): string[] => [...set].map(({ name }) => name)

describe('a linked set', () => {
  test('keeps the order, and who is in already its place', () => {
    const { set, members } = setOf('a', 'b', 'c')
    set.add(members[0] as Member)
    expect([namesOf(set), set.size]).toEqual([['a', 'b', 'c'], 3])
  })

  test.each([
    ['first', 0, ['b', 'c']],
    ['middle', 1, ['a', 'c']],
    ['last', 2, ['a', 'b']],
  ])('lets go of the %s, twice without harm, and it refers to nobody', (_, index, left) => {
    const { set, members } = setOf('a', 'b', 'c')
    const member = members[index] as Member
    set.delete(member)
    set.delete(member)
    expect([namesOf(set), set.size, set.has(member)]).toEqual([left, 2, false])
    expect([member.nextLinked, member.previousLinked]).toEqual([null, null])
  })

  test('who has left can come again, behind the others', () => {
    const { set, members } = setOf('a', 'b')
    set.delete(members[0] as Member)
    set.add(members[0] as Member)
    expect(namesOf(set)).toEqual(['b', 'a'])
  })

  test('the only one is in', () => {
    const { set, members } = setOf('a')
    expect(set.has(members[0] as Member)).toBe(true)
    set.delete(members[0] as Member)
    expect([namesOf(set), set.size]).toEqual([[], 0])
  })

  test('the member at hand may leave while they are walked', () => {
    const { set } = setOf('a', 'b', 'c')
    const seen: string[] = []
    for (const member of set) {
      seen.push(member.name)
      set.delete(member)
    }
    expect([seen, set.size]).toEqual([['a', 'b', 'c'], 0])
  })

  test('is what a Set is, over ten thousand steps', () => {
    const random = new Prng(7)
    const members = Array.from({ length: 20 }, (_, index) => new Member(String(index)))
    const set = new LinkedSet<Member>()
    const model = new Set<Member>()
    for (let step = 0; step < 10_000; step++) {
      const member = members[random.below(members.length)] as Member
      if (random.below(2) === 0) {
        set.add(member)
        model.add(member)
      } else {
        set.delete(member)
        model.delete(member)
      }
      expect(set.size).toBe(model.size)
      if (step % 100 === 0) expect(namesOf(set)).toEqual([...model].map(({ name }) => name))
    }
  })
})
