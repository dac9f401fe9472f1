import { expect, test } from 'vitest'
import { FILTER_QUEUE_ITEMS_MAX } from '../base/limits.js'
import type { PublishItem } from '../wire/publish-types.js'
import { KeptItems, keptItem } from './kept-items.js'

function item(content: string): PublishItem {
  const bytes = (): Buffer => Buffer.from(content)
  const common = { action: 'send', contentFilters: null } as const
  return {
    ...{ channel: 'c', id: content, prevId: null, meta: null, size: -1, noSeq: false },
    httpStream: { ...common, content: bytes() },
    httpResponse: { ...common, code: 200, reason: 'OK', headers: [], body: bytes(), bodyPatch: null },
    wsMessage: { ...common, type: 'text', content: bytes(), code: -1, reason: '' },
  }
}

test('a copy has the content of every format for itself', () => {
  const one = item('abc')
  const copy = keptItem(one)
  for (const bytes of [one.httpStream?.content, one.httpResponse?.body, one.wsMessage?.content]) bytes?.fill('?')
  expect(copy).toEqual(item('abc'))
})

test('a copy is made once, and of a copy none', () => {
  const one = item('abc')
  expect(keptItem(one)).toBe(keptItem(one))
  expect(keptItem(keptItem(one))).toBe(keptItem(one))
})

test('formats that are not there stay away', () => {
  const copy = keptItem({ ...item('x'), httpStream: null, httpResponse: null, wsMessage: null })
  expect([copy.httpStream, copy.httpResponse, copy.wsMessage]).toEqual([null, null, null])
})

test('items wait in order, and there is room for so many', () => {
  const kept = new KeptItems()
  for (let at = 0; at < FILTER_QUEUE_ITEMS_MAX; at++) expect(kept.add(item(String(at)))).toBe(true)
  expect(kept.add(item('more'))).toBe(false)
  expect([kept.shift()?.id, kept.shift()?.id, kept.size]).toEqual(['0', '1', FILTER_QUEUE_ITEMS_MAX - 2])
  kept.clear()
  expect([kept.shift(), kept.size]).toEqual([null, 0])
})
