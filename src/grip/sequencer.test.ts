import { beforeEach, describe, expect, it } from 'vitest'
import { NO_DEADLINE } from '../base/deadlines.js'
import { PARKED_BYTES_MAX, PARKED_PER_CHANNEL_MAX } from '../base/limits.js'
import { PublishAction, type PublishItem } from '../wire/publish-types.js'
import { LastIds } from './last-ids.js'
import { Sequencer } from './sequencer.js'

/** `x>y`: id y, prev-id x. `y`: id y alone. `x>`: prev-id x alone. */
function item(ids: string, channel = 'a', content = ''): PublishItem {
  const [first = '', second] = ids.split('>')
  return {
    channel,
    id: second === undefined ? first : second === '' ? null : second,
    prevId: second === undefined ? null : first,
    httpStream: { action: PublishAction.Send, content: Buffer.from(content), contentFilters: null },
    ...{ httpResponse: null, wsMessage: null, meta: null, size: -1, noSeq: false },
  }
}

function shown({ id, prevId }: PublishItem): string {
  return prevId === null ? String(id) : `${prevId}>${id ?? ''}`
}

describe('the sequencer', () => {
  let lastIds: LastIds
  let released: string[]
  let sequencer: Sequencer

  beforeEach(() => {
    lastIds = new LastIds()
    released = []
    sequencer = new Sequencer({ lastIds, waitMs: 5_000, release: (ready) => released.push(shown(ready)) })
  })

  const take = (nowMs: number, ...items: string[]): void => {
    for (const ids of items) sequencer.take(item(ids), nowMs)
  }

  it('lets pass what has no prev-id, and anything while no last id is known', () => {
    take(0, '7>8', '3', '9')
    expect(released).toEqual(['7>8', '3', '9'])
    expect(lastIds.get('a')).toBe('9')
  })

  it('delivers a, d, c, b in the order a, b, c, d', () => {
    take(0, 'a', 'c>d', 'b>c', 'a>b')
    expect(released).toEqual(['a', 'a>b', 'b>c', 'c>d'])
    expect([lastIds.get('a'), sequencer.parked, sequencer.deadlineMs]).toEqual(['d', 0, NO_DEADLINE])
  })

  it('keeps channels apart', () => {
    take(0, '1')
    sequencer.take(item('5>6', 'b'), 0)
    sequencer.take(item('2>3', 'a'), 0)
    expect(released).toEqual(['1', '5>6'])
    expect([lastIds.get('a'), lastIds.get('b')]).toEqual(['1', '6'])
  })

  it('an item without id ends the chain: the next one may be any', () => {
    take(0, '1', '2>3', '1>', '8>9')
    expect(released).toEqual(['1', '1>', '8>9'])
    expect(lastIds.get('a')).toBe('9')
  })

  it('an empty id is an id', () => {
    take(0, '', '1>2', '>1')
    expect(released).toEqual(['', '>1', '1>2'])
  })

  it('drops a second item that waits for the same one', () => {
    take(0, '1', '2>3', '2>4', '1>2')
    expect(released).toEqual(['1', '1>2', '2>3'])
    expect(sequencer.dropped).toBe(1)
  })

  it('drops what waits beyond the limit of a channel', () => {
    take(0, 'first')
    for (let n = 0; n <= PARKED_PER_CHANNEL_MAX; n++) take(0, `p${n}>q${n}`)
    expect([sequencer.parked, sequencer.dropped]).toEqual([PARKED_PER_CHANNEL_MAX, 1])
  })

  it('releases the oldest before its time when too many bytes wait in all', () => {
    const content = 'x'.repeat(PARKED_BYTES_MAX / 8)
    for (let n = 0; n < 9; n++) {
      sequencer.take(item('0', `c${n}`), 0)
      sequencer.take(item(`1>${n}`, `c${n}`, content), n)
    }
    expect(released.filter((ids) => ids.startsWith('1>'))).toEqual(['1>0', '1>1'])
    expect([sequencer.parked, sequencer.releasedLate, sequencer.deadlineMs]).toEqual([7, 2, 5_002])
  })

  it('lets go what has waited long enough, oldest first, and each with those behind it', () => {
    take(0, '1')
    take(10, '6>7')
    take(20, '4>5')
    take(30, '7>8')
    expect(sequencer.deadlineMs).toBe(5_010)
    sequencer.expire(5_009)
    expect(released).toEqual(['1'])
    sequencer.expire(5_019)
    expect(released).toEqual(['1', '6>7', '7>8'])
    expect(sequencer.deadlineMs).toBe(5_020)
    sequencer.expire(5_030)
    expect(released).toEqual(['1', '6>7', '7>8', '4>5'])
    expect(lastIds.get('a')).toBe('5')
  })

  it('drops what is parked for a channel that nobody holds any more, also while it releases', () => {
    take(0, '1', '2>3', '4>5')
    sequencer.clear('a')
    expect([sequencer.parked, sequencer.deadlineMs]).toEqual([0, NO_DEADLINE])
    const leaving: string[] = []
    const table = new LastIds()
    const other: Sequencer = new Sequencer({
      lastIds: table,
      waitMs: 1,
      release: (ready) => {
        leaving.push(shown(ready))
        if (ready.id === '2') other.clear('a')
      },
    })
    for (const ids of ['1', '3>4', '2>3', '1>2']) other.take(item(ids), 0)
    expect([leaving, other.parked]).toEqual([['1', '1>2'], 0])
  })
})

describe('last ids', () => {
  it('forget what was set longest ago when there are too many', () => {
    const ids = new LastIds(4)
    for (const channel of ['a', 'b', 'c', 'd']) ids.set(channel, '1')
    ids.set('a', '2')
    ids.set('e', '1')
    ids.set('e', '2')
    expect(['a', 'b', 'c', 'd', 'e'].map((channel) => ids.get(channel))).toEqual(['2', null, '1', '1', '2'])
    expect([ids.size, ids.evicted]).toEqual([4, 1])
  })

  it('forget one channel, or all', () => {
    const ids = new LastIds()
    for (const channel of ['a', 'b', 'c']) ids.set(channel, channel)
    ids.delete('b')
    expect([ids.get('a'), ids.get('b')]).toEqual(['a', null])
    ids.clear()
    expect(ids.size).toBe(0)
  })
})
