/** Long polls (reference: Grip-Hold: response): what a held request is answered with. */
import type { Subscription } from './subscriptions.js'
import { type HttpResponseFormat, PublishAction, type PublishItem } from '../wire/publish-types.js'
import { type PatchFault, patchBody } from '../wire/json-patch.js'
import { splitList } from '../wire/header-params.js'
import { isFraming } from './forwarding.js'
import type { HttpAnswer } from './http-session.js'

/** What an item means for a held response. */
export const ResponseVerdict = {
  Answer: 'answer',
  /** hint: the backend is to be asked again, at once. */
  Retry: 'retry',
  /** close and refresh mean nothing here. */
  Ignore: 'ignore',
  /** Its prev-id is not the one the subscription waits for. */
  WrongPrevId: 'wrong-prev-id',
} as const
export type ResponseVerdict = (typeof ResponseVerdict)[keyof typeof ResponseVerdict]

export function judgeResponse(
  item: PublishItem,
  format: HttpResponseFormat,
  subscription: Subscription,
): ResponseVerdict {
  if (subscription.prevId !== null && subscription.prevId !== item.prevId) return ResponseVerdict.WrongPrevId
  if (format.action === PublishAction.Hint) return ResponseVerdict.Retry
  if (format.action !== PublishAction.Send) return ResponseVerdict.Ignore
  return ResponseVerdict.Answer
}

/** The body that is published, ahead of the filters; a fault: there is none. */
export function publishedBody(held: HttpAnswer, { body, bodyPatch }: HttpResponseFormat): Buffer | PatchFault {
  return bodyPatch === null ? body : patchBody(held.body, bodyPatch)
}

/**
 * The held answer's headers without those the publish names, then the publish's. Grip-Expose-Headers of a publish names
 * headers to take out again, the inverse of what it means in an instruct.
 */
export function publishedAnswer(held: HttpAnswer, format: HttpResponseFormat): HttpAnswer {
  const named = new Set(format.headers.map(([name]) => name.toLowerCase()))
  const unexposed = new Set<string>()
  for (const [name, value] of format.headers) {
    if (name.toLowerCase() !== 'grip-expose-headers') continue
    for (const piece of splitList(value)) unexposed.add(piece.toLowerCase())
  }
  const inherited = held.headers.filter(([name]) => !named.has(name.toLowerCase()))
  const headers = [...inherited, ...format.headers].filter(([name]) => {
    const lower = name.toLowerCase()
    return !lower.startsWith('grip-') && !unexposed.has(lower) && !isFraming(lower)
  })
  return { status: format.code, reason: format.reason, headers, body: format.body }
}
