import { describe, expect, it } from 'vitest'
import { DeflateAnswer, deflateAnswer } from './deflate-answer.js'

const D = 'permessage-deflate'

function answerOf(values: readonly string[], isOffered = true): DeflateAnswer {
  const headers = values.flatMap((value) => ['Sec-WebSocket-Extensions', value])
  return deflateAnswer(['Upgrade', D, ...headers, 'X', `${D};`], isOffered)
}

describe('an answer to the offer of permessage-deflate', () => {
  it.each([
    [D],
    [`${D}; server_no_context_takeover`],
    [`${D}; server_max_window_bits=8`],
    [`${D}; server_max_window_bits="015"`],
    [`${D}; client_max_window_bits=15`],
    [`${D}; client_max_window_bits`],
    [`${D}; server_max_window_bits=10; client_max_window_bits=+15`],
    [`grip; message-prefix="x:", ${D}`],
    ['grip', D],
    [`${D}; foo, ${D}`],
    [`${D}; foo`, D],
  ])('agrees: %j', (...values) => {
    expect(answerOf(values)).toBe(DeflateAnswer.Agreed)
  })

  it.each([
    [`${D}; client_no_context_takeover`],
    [`${D};\tclient_no_context_takeover = "" ;server_no_context_takeover`],
  ])('agrees, and wants messages compressed each for itself: %j', (...values) => {
    expect(answerOf(values)).toBe(DeflateAnswer.AgreedWithoutContext)
  })

  it.each([
    [],
    ['grip'],
    ['PerMessage-Deflate'],
    [`grip; message-prefix="x, ${D}"`],
    [`${D}; foo`],
    [`${D}; client_max_window_bits=14`],
    [`${D}; server_max_window_bits`],
    [`${D}; server_max_window_bits=7`],
    [`${D}; server_max_window_bits=16`],
    [`${D}; server_no_context_takeover=1`],
    [`${D}; client_no_context_takeover; client_no_context_takeover`],
    [`${D}; Client_No_Context_Takeover`],
  ])('agrees to nothing that can be met: %j', (...values) => {
    expect(answerOf(values)).toBe(DeflateAnswer.None)
  })

  it.each([[''], [','], [`${D},`], [`${D};`], [`${D}; a="b`], [D, ''], [D, D], [`${D}, ${D}`], [`${D}, ${D}; foo`]])(
    'is not valid: %j',
    (...values) => {
      expect(answerOf(values)).toBe(DeflateAnswer.Invalid)
    },
  )

  it('is not valid where there was no offer, unless it does not speak of it', () => {
    expect(answerOf([D], false)).toBe(DeflateAnswer.Invalid)
    expect(answerOf([`${D}; foo`], false)).toBe(DeflateAnswer.Invalid)
    expect(answerOf(['grip;'], false)).toBe(DeflateAnswer.Invalid)
    expect(answerOf(['grip, other'], false)).toBe(DeflateAnswer.None)
    expect(answerOf([], false)).toBe(DeflateAnswer.None)
  })
})
