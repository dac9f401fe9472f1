import { describe, expect, test } from 'vitest'
import { isSameOrigin, judgePageHead, linkRetryDelayMs, replaceHold, resolveLink, unlinkedPrevId } from './next-link.js'
import { NO_FILTERS } from './filters.js'
import type { Receiver } from './receiver.js'
import { Channel, Subscription } from './subscriptions.js'

class PlainChannel extends Channel {
  override handleDeadline(): void {}
}

const subscription = (name: string): Subscription =>
  new Subscription(new PlainChannel(name), {} as Receiver, null, NO_FILTERS)

test('a page is asked for again after 1, 2, 4, 8 and 16 seconds and a random part of one, then never', () => {
  expect([0, 1, 2, 3, 4, 5].map((retries) => linkRetryDelayMs(retries, 0))).toEqual([
    ...[1_000, 2_000, 4_000, 8_000, 16_000],
    null,
  ])
  expect(linkRetryDelayMs(1, 0.999)).toBe(2_999)
})

test.each([
  ['http://a.test/dir/page?x=1', '/next', 'http://a.test/next'],
  ['http://a.test/dir/page?x=1', 'next?y=2', 'http://a.test/dir/next?y=2'],
  ['http://a.test/dir/page?x=1', '?y=2', 'http://a.test/dir/page?y=2'],
  ['http://a.test/dir/page', '../up', 'http://a.test/up'],
  ['http://a.test/dir/page', 'https://b.test/x#part', 'https://b.test/x'],
  ['https://a.test/dir/page', '//b.test:81/x', 'https://b.test:81/x'],
  ['http://a.test/', '/caf\xc3\xa9/\xff', 'http://a.test/caf%C3%A9/%FF'],
  ['http://a.test/', 'http://[::1', null],
])('from %s the link %s leads to %s', (base, link, expected) => {
  expect(resolveLink(base, link)).toBe(expected)
})

test('an origin is scheme, host and port, the default ports filled in', () => {
  expect(isSameOrigin('http://a.test:80/x', 'http://A.test/y?z')).toBe(true)
  expect(isSameOrigin('http://a.test/x', 'https://a.test/x')).toBe(false)
  expect(isSameOrigin('http://a.test/x', 'http://a.test:81/x')).toBe(false)
  expect(isSameOrigin('http://a.test/x', 'nowhere')).toBe(false)
})

describe('the head of a page', () => {
  test.each([
    [200, [], 'page'],
    [204, [], 'page'],
    [200, ['Grip-Hold', 'stream', 'Grip-Channel', 'c'], 'page'],
    [199, [], 'again'],
    [302, [], 'again'],
    [503, ['Grip-Hold', 'stream', 'Grip-Channel', 'c'], 'again'],
    [200, ['Grip-Hold', 'response', 'Grip-Channel', 'c'], 'Next link returned non-stream hold.'],
    [500, ['Grip-Hold', 'response', 'Grip-Channel', 'c'], 'Next link returned non-stream hold.'],
    [500, ['Grip-Link', 'x; rel=next'], 'failed to parse Grip-Link value'],
  ])('status %d with %j: %s', (status, headers, expected) => {
    const head = judgePageHead(status, '', headers)
    expect(head.kind === 'error' ? head.message : head.kind).toBe(expected)
  })

  test('a hold with a prev-id and no link is named', () => {
    const head = judgePageHead(200, '', ['Grip-Hold', 'stream', 'Grip-Channel', 'a, b; prev-id=1'])
    expect(head.kind === 'page' && unlinkedPrevId(head.instruct)).toBe(
      "channel 'b' specifies prev-id, but no next link found",
    )
  })
})

test('a hold is replaced by what a page names, but for the implicit channels', () => {
  const held = ['pre-old', 'pre-both', 'implied'].map(subscription)
  const channels = ['both', 'new'].map((name) => ({ name, prevId: name, filters: [] }))
  const naming = { channelPrefix: 'pre-', implicitChannels: ['implied'] }
  const { requests, dropped } = replaceHold(held, channels, naming)
  expect(requests.map(({ name, prevId }) => [name, prevId])).toEqual([
    ['pre-both', 'both'],
    ['pre-new', 'new'],
  ])
  expect(dropped).toEqual(['pre-old'])
})
