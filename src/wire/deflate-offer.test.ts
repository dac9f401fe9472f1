import { describe, expect, it } from 'vitest'
import { DeflateOffer, deflateOffer } from './deflate-offer.js'

const D = 'permessage-deflate'

function offerOf(...values: string[]): DeflateOffer {
  return deflateOffer(['host', D, ...values.flatMap((value) => ['sec-websocket-extensions', value])])
}

describe('an offer of permessage-deflate', () => {
  it.each([
    [D],
    [`${D}; client_max_window_bits`],
    [`${D}; client_max_window_bits=`],
    [`${D}; client_max_window_bits=8`],
    [`${D}; client_max_window_bits=15`],
    [`${D}; client_max_window_bits="10"`],
    [`${D}; client_max_window_bits=010`],
    [`${D}; client_max_window_bits=+10`],
    [`${D}; server_max_window_bits=15`],
    [`${D}; server_no_context_takeover; client_no_context_takeover`],
    [`${D}; server_no_context_takeover=""`],
    [`  ${D}\t;client_max_window_bits = 10 ;\tserver_no_context_takeover  `],
    [`grip, ${D}`],
    [`foo; x="a"  ; y, ${D}`],
    [`${D}; server_max_window_bits=10, ${D}`],
    [`${D}; foo, ${D}; client_max_window_bits`],
    [`${D}, ${D}; foo`],
    ['grip', D],
    ['"', D],
  ])('works: %j', (...values) => {
    expect(offerOf(...values)).toBe(DeflateOffer.Workable)
  })

  it.each([
    [`${D}; client_max_window_bits=7`],
    [`${D}; client_max_window_bits=16`],
    [`${D}; client_max_window_bits=1e1`],
    [`${D}; client_max_window_bits=9; client_max_window_bits=9`],
    [`${D}; server_max_window_bits`],
    [`${D}; server_max_window_bits=10`],
    [`${D}; server_max_window_bits=0xf`],
    [`${D}; server_no_context_takeover=1`],
    [`${D}; server_no_context_takeover; server_no_context_takeover`],
    [`${D}; SERVER_NO_CONTEXT_TAKEOVER`],
    [`${D}; foo`],
    ['PerMessage-Deflate'],
    ['x-webkit-deflate-frame'],
    ['grip; message-prefix="x, permessage-deflate"'],
    ['\xc3\xa9'],
    // What uWebSockets.js leaves of the offer of a browser whose compression is broken.
    ['                  '],
    [],
  ])('does not work: %j', (...values) => {
    expect(offerOf(...values)).toBe(DeflateOffer.None)
  })

  it.each([
    [''],
    [','],
    [`${D},`],
    [`,${D}`],
    [`${D};`],
    [`; ${D}`],
    [`${D}; ;client_max_window_bits`],
    [`${D}; =1`],
    [`${D}; client_max_window_bits="10`],
    [`${D}; a="b"c`],
    [`${D}; a= "b`],
    [D, `${D};`],
  ])('cannot be read: %j', (...values) => {
    expect(offerOf(...values)).toBe(DeflateOffer.Malformed)
  })

  it('is read in a time that grows with its length, whatever stands in it', () => {
    for (const piece of ['; a="b" ', '=', '"', ' ', ';', ',a', '; a= ', 'a;b=" \t']) {
      expect(Object.values(DeflateOffer)).toContain(offerOf(`${D}; a${piece.repeat(200_000)}`))
    }
  })
})
