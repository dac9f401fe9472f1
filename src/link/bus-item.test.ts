import { describe, expect, it } from 'vitest'
import { Prng } from '../base/prng.js'
import { PublishAction, type PublishItem, WsMessageType } from '../wire/publish-types.js'
import {
  channelOfTopic,
  decodeBusItem,
  encodeBusItem,
  isPrivateTopic,
  positionOffset,
  topicOfChannel,
} from './bus-item.js'

const EMPTY: PublishItem = {
  channel: 'c',
  id: null,
  prevId: null,
  httpStream: null,
  httpResponse: null,
  wsMessage: null,
  meta: null,
  size: -1,
  noSeq: false,
}

function randomString(prng: Prng, lengthMax: number): string {
  let text = ''
  for (let i = prng.below(lengthMax); i > 0; i--) text += String.fromCharCode(prng.below(256))
  return text
}

function randomBytes(prng: Prng): Buffer {
  return Buffer.from(randomString(prng, 300), 'latin1')
}

function randomFilters(prng: Prng): string[] | null {
  return prng.happens(0.7) ? null : Array.from({ length: prng.below(4) }, () => randomString(prng, 10))
}

function randomItem(prng: Prng): PublishItem {
  const actions = Object.values(PublishAction)
  const patched = prng.happens(0.3)
  return {
    channel: randomString(prng, 40),
    id: prng.happens(0.5) ? null : randomString(prng, 20),
    prevId: prng.happens(0.5) ? null : randomString(prng, 20),
    httpStream: prng.happens(0.5)
      ? null
      : { action: prng.pick(actions), content: randomBytes(prng), contentFilters: randomFilters(prng) },
    httpResponse: prng.happens(0.5)
      ? null
      : {
          action: prng.pick(actions),
          code: prng.below(1000),
          reason: randomString(prng, 20),
          headers: Array.from(
            { length: prng.below(5) },
            () => [randomString(prng, 9), randomString(prng, 30)] as const,
          ),
          body: patched ? Buffer.alloc(0) : randomBytes(prng),
          bodyPatch: patched ? [{ op: 'add', path: '/a', value: randomString(prng, 9) }] : null,
          contentFilters: randomFilters(prng),
        },
    wsMessage: prng.happens(0.5)
      ? null
      : {
          action: prng.pick(actions),
          type: prng.pick(Object.values(WsMessageType)),
          content: randomBytes(prng),
          code: prng.below(70_000) - 1,
          reason: randomString(prng, 20),
          contentFilters: randomFilters(prng),
        },
    meta: prng.happens(0.7) ? null : { [randomString(prng, 8)]: randomString(prng, 8), user: 'x' },
    size: prng.happens(0.5) ? -1 : prng.below(1_000_000),
    noSeq: prng.happens(0.3),
  }
}

describe('bus items', () => {
  it('come out as they went in, byte for byte', () => {
    const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000)
    console.log(`bus items: FUZZ_SEED=${String(seed)}`)
    const prng = new Prng(seed)
    for (let run = 0; run < 1000; run++) {
      const item = randomItem(prng)
      const message = encodeBusItem(item)
      const channel = channelOfTopic(message)
      expect(channel).toBe(item.channel)
      expect(decodeBusItem(message, channel)).toEqual(item)
    }
  })

  it('has room for the put position behind the topic', () => {
    const item = { ...EMPTY, channel: 'chan', id: 'x' }
    const message = encodeBusItem(item)
    message.writeUInt32BE(0xdeadbeef, positionOffset('chan'))
    expect(decodeBusItem(message, 'chan')).toEqual(item)
  })

  it('gives topics of which none is a prefix of another, nor of a private one', () => {
    const names = ['', 'a', 'ab', 'abc', '\x00', '\x00a', '\xff\xff', 'test', 'testing']
    for (const one of names) {
      for (const other of names) {
        if (one === other) continue
        const topic = topicOfChannel(one)
        expect(topicOfChannel(other).subarray(0, topic.length).equals(topic)).toBe(false)
      }
      expect(isPrivateTopic(topicOfChannel(one))).toBe(false)
    }
  })
})
