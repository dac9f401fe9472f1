import { expect, test } from 'vitest'
import { LINK_QUEUE_ITEMS_MAX } from '../base/limits.js'
import type { HttpStreamFormat, PublishItem } from '../wire/publish-types.js'
import { NO_FILTERS } from './filters.js'
import { LinkQueue } from './link-queue.js'
import type { Receiver } from './receiver.js'
import { Channel, Subscription } from './subscriptions.js'

class PlainChannel extends Channel {
  override handleDeadline(): void {}
}

const held = (name: string, prevId: string | null): Subscription =>
  new Subscription(new PlainChannel(name), {} as Receiver, prevId, NO_FILTERS)

function item(channel: string, id: string, prevId: string | null): PublishItem & { httpStream: HttpStreamFormat } {
  const httpStream = { action: 'send', content: Buffer.from(id), contentFilters: null } as const
  return { channel, id, prevId, httpStream, httpResponse: null, wsMessage: null, meta: null, size: -1, noSeq: false }
}

function filled(...items: ReturnType<typeof item>[]): LinkQueue {
  const queue = new LinkQueue()
  for (const one of items) queue.add(one)
  return queue
}

test('drops from the front what does not follow the hold, up to the first that does', () => {
  const queue = filled(item('c', '2', '1'), item('gone', '9', null), item('c', '3', '2'), item('c', '5', '4'))
  expect(queue.dropUnfit([held('c', '2')])).toBe(2)
  expect([queue.shift()?.id, queue.shift()?.id, queue.shift()]).toEqual(['3', '5', null])
})

test('drops all when none follows', () => {
  const queue = filled(item('c', '2', '1'), item('c', '3', '2'))
  expect([queue.dropUnfit([held('c', '3')]), queue.size]).toEqual([2, 0])
})

test('a channel without prev-id takes whatever comes', () => {
  expect(filled(item('c', '2', '1')).dropUnfit([held('c', null)])).toBe(0)
})

test('has room for so many', () => {
  const queue = filled(...Array.from({ length: LINK_QUEUE_ITEMS_MAX }, (_, at) => item('c', String(at), null)))
  const one = item('c', 'x', null)
  expect(queue.add(one)).toBe(false)
  expect([queue.clear(), queue.size]).toEqual([LINK_QUEUE_ITEMS_MAX, 0])
})

test('keeps a copy, and one for all streams', () => {
  const one = item('c', 'abc', null)
  const queues = [filled(one), filled(one)]
  one.httpStream.content.fill('?')
  const [first, second] = queues.map((queue) => queue.shift())
  expect(first?.httpStream.content.toString()).toBe('abc')
  expect(second).toBe(first)
})
