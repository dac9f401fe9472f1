import { describe, expect, test } from 'vitest'
import { SOCKJS_HEARTBEAT_MS, SOCKJS_POLL_WAIT_MS } from '../base/limits.js'
import { SockJsPolls } from './sockjs-polls.js'

interface Call {
  readonly name: string
  readonly origin: null
  readonly callback: string | null
}

const call = (name: string, callback: string | null = null): Call => ({ name, origin: null, callback })

/** Effects as text: who is answered with what. */
function said(polls: SockJsPolls<Call>): string[] {
  const lines: string[] = []
  for (let effect = polls.poll(); effect !== null; effect = polls.poll()) {
    if (effect.kind === 'answer') lines.push(`${effect.call.name}: ${effect.answer.body.toString().trimEnd()}`)
    else if (effect.kind === 'message') lines.push(`message ${effect.content.toString()}`)
    else lines.push(effect.kind)
  }
  return lines
}

function opened(): SockJsPolls<Call> {
  const polls = new SockJsPolls(call('opener'))
  polls.handleOpened(0)
  expect(said(polls)).toEqual(['opener: o'])
  return polls
}

test('a poll waits for messages, and later ones wait for the next poll', () => {
  const polls = opened()
  polls.handlePoll(call('one'), 1)
  expect(said(polls)).toEqual([])
  polls.handleMessage(Buffer.from('a'))
  polls.handleMessage(Buffer.from('b'))
  polls.handleTurn(2, true)
  expect(said(polls)).toEqual(['one: a["a","b"]'])
  polls.handleMessage(Buffer.from('c'))
  polls.handleTurn(3, true)
  expect([said(polls), polls.unreadBytes]).toEqual([[], 1])
  polls.handlePoll(call('two', 'cb'), 4)
  expect([said(polls), polls.unreadBytes]).toEqual([['two: /**/cb("a[\\"c\\"]");'], 0])
})

test('a second poll beside the first is refused', () => {
  const polls = new SockJsPolls(call('opener'))
  polls.handlePoll(call('early'), 0)
  expect(said(polls)).toEqual(['early: c[2010,"Another connection still open"]'])
})

test('a heartbeat for a poll, the end for a client that does not poll', () => {
  const polls = opened()
  polls.handlePoll(call('one'), 1000)
  polls.handleDeadline(1000 + SOCKJS_HEARTBEAT_MS)
  expect(said(polls)).toEqual(['one: h'])
  expect(polls.deadlineMs).toBe(1000 + SOCKJS_HEARTBEAT_MS + SOCKJS_POLL_WAIT_MS)
  polls.handleDeadline(polls.deadlineMs)
  expect(said(polls)).toEqual(['gone', 'over'])
})

test('a poll that breaks takes the session along; a send does not', () => {
  const polls = opened()
  const send = call('send')
  polls.handleSend(send, [Buffer.from('x')], 10)
  polls.handleAborted(send)
  expect(polls.isHeldUp).toBe(true)
  const poll = call('poll')
  polls.handlePoll(poll, 1)
  polls.handleAborted(poll)
  expect(said(polls)).toEqual(['gone', 'over', 'send: ok'])
})

describe('sends', () => {
  test('wait until the backend takes more, one at a time', () => {
    const polls = opened()
    polls.handleSend(call('one'), [Buffer.from('a'), Buffer.from('b')], 10)
    expect(said(polls)).toEqual([])
    polls.handleSend(call('two'), [], 10)
    expect(said(polls)).toEqual(['two: Already sending'])
    polls.handleTurn(1, true)
    expect(said(polls)).toEqual(['message a', 'message b', 'one: ok'])
  })

  test('of what is no message, or one too long, are refused', () => {
    const polls = opened()
    polls.handleSend(call('one'), null, 10)
    polls.handleSend(call('two'), [Buffer.alloc(11)], 10)
    expect(said(polls)).toEqual(['one: Payload expected', 'two: Message too large'])
  })
})

describe('the end', () => {
  test('a close is told behind the messages, and told again for a while', () => {
    const polls = opened()
    polls.handleMessage(Buffer.from('last'))
    polls.handleClose(4000, 'done')
    polls.handlePoll(call('one'), 1)
    polls.handlePoll(call('two'), 2)
    polls.handleSend(call('send'), [], 10)
    expect(polls.handleOther(call('other'))).toBe(true)
    const close = 'c[4000,"done"]'
    expect(said(polls)).toEqual(['one: a["last"]', `two: ${close}`, `send: ${close}`, `other: ${close}`])
    polls.handleDeadline(polls.deadlineMs)
    expect(said(polls)).toEqual(['over'])
  })

  test('a session that was dropped: the poll that waits is told, what was said before is kept for one poll', () => {
    const waiting = opened()
    waiting.handlePoll(call('one'), 1)
    waiting.handleDropped(2)
    expect(said(waiting)).toEqual(['one: Session terminated', 'over'])
    const kept = opened()
    kept.handleMessage(Buffer.from('last'))
    kept.handleDropped(2)
    expect(said(kept)).toEqual([])
    kept.handlePoll(call('one'), 3)
    expect(said(kept)).toEqual(['one: a["last"]', 'over'])
  })

  test('a refusal of the backend answers the request that began the session', () => {
    const polls = new SockJsPolls(call('opener'))
    polls.handleRejected({ status: 403, reason: 'No', headers: [], body: Buffer.from('away') })
    expect(said(polls)).toEqual(['opener: away', 'over'])
  })
})
