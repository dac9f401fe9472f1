import { expect, test } from 'vitest'
import { RefreshRing, type RingMember } from './refresh-ring.js'

class Member implements RingMember<Member> {
  nextLinked: Member | null = null
  previousLinked: Member | null = null
  ringPlace = -1
}

test('each is due once in three quarters of the time to live, spread over its seconds', () => {
  const ring = new RefreshRing<Member>(4)
  const members = Array.from({ length: 7 }, () => new Member())
  for (const member of members) ring.add(member)
  const turns = Array.from({ length: 3 }, () => [...ring.turn()].map((member) => members.indexOf(member)))
  expect(turns).toEqual([
    [0, 3, 6],
    [1, 4],
    [2, 5],
  ])
  ring.delete(members[3] as Member)
  ring.delete(members[3] as Member)
  expect([...ring.turn()].map((member) => members.indexOf(member))).toEqual([0, 6])
})

test('a time to live of a second: everybody is due each second', () => {
  const ring = new RefreshRing<Member>(1)
  const member = new Member()
  ring.add(member)
  expect([...ring.turn()]).toEqual([member])
  expect([...ring.turn()]).toEqual([member])
})
