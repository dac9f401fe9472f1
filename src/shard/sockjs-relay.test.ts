/** Requests of a session that lives on another shard: two relays with real ports between them, the session's polls behind. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SOCKJS_POLL_WAIT_MS } from '../base/limits.js'
import type { HttpAnswer } from '../grip/http-session.js'
import { SockJsPolls } from '../grip/sockjs-polls.js'
import { Waiters } from '../testing/wait.js'
import { SockJsRelay } from './sockjs-relay.js'
import type { SockJsPending, SockJsRequest } from './sockjs-sessions.js'

interface Call {
  readonly origin: null
  readonly callback: null
  answer(answer: HttpAnswer): void
}

/** The shard where the session lives. Its time is an argument. */
class Home {
  taken = 0
  isGone = false
  readonly waiters = new Waiters()
  #polls: SockJsPolls<Call> | null = null

  take(_request: SockJsRequest, answer: (answer: HttpAnswer) => void): SockJsPending {
    const call: Call = { origin: null, callback: null, answer }
    if (this.#polls === null) {
      this.#polls = new SockJsPolls(call)
      this.#polls.handleOpened(0)
    } else this.#polls.handlePoll(call, 0)
    this.#perform()
    this.taken++
    this.waiters.changed()
    return {
      abort: () => {
        this.#polls?.handleAborted(call)
        this.#perform()
      },
    }
  }

  say(text: string): void {
    this.#polls?.handleMessage(Buffer.from(text))
    this.#polls?.handleTurn(0, true)
    this.#perform()
  }

  handleDeadline(nowMs: number): void {
    this.#polls?.handleDeadline(nowMs)
    this.#perform()
  }

  #perform(): void {
    for (let effect = this.#polls?.poll() ?? null; effect !== null; effect = this.#polls?.poll() ?? null) {
      if (effect.kind === 'answer') effect.call.answer(effect.answer)
      if (effect.kind === 'gone') this.isGone = true
    }
    this.waiters.changed()
  }
}

const REQUEST = { head: { method: 'POST', path: '/0/sid/xhr', headers: [] }, body: Buffer.alloc(0) } as never

let home: Home
let relays: SockJsRelay[]
let answers: string[]
const answered = new Waiters()

beforeEach(async () => {
  home = new Home()
  answers = []
  const onError = (error: unknown): never => {
    throw error as Error
  }
  const there = new SockJsRelay({ sessions: home, connect: () => {}, onError })
  const nobody = { take: (): never => onError(new Error('no session lives here')) }
  const here = new SockJsRelay({
    sessions: nobody,
    connect: (_shard, port) => {
      there.serve(port)
    },
    onError,
  })
  relays = [here, there]
  send()
  await have(1)
  expect(answers).toEqual(['o\n'])
})

afterEach(() => {
  for (const relay of relays) relay.close()
})

function send(): SockJsPending {
  return (relays[0] as SockJsRelay).send(1, REQUEST, ({ body }) => {
    answers.push(body.toString())
    answered.changed()
  })
}

const have = (count: number): Promise<boolean> =>
  answered.until(
    () => answers.length >= count || undefined,
    () => `${count} answers; there are ${JSON.stringify(answers)}`,
  )

const hasTaken = (count: number): Promise<boolean> =>
  home.waiters.until(
    () => home.taken === count || undefined,
    () => `${count} requests; there are ${home.taken}`,
  )

test('a client that goes while the answer to its poll is on its way loses the messages in it, not the session', async () => {
  const lost = send()
  await hasTaken(2)
  home.say('lost')
  // In this turn of the loop: the answer has left its home and has not come in here.
  lost.abort()
  send()
  await hasTaken(3)
  home.say('next')
  await have(2)
  expect(answers).toEqual(['o\n', 'a["next"]\n'])
  expect(home.isGone).toBe(false)
})

test('when it does not poll again, the backend is told after the time for a next poll', async () => {
  const lost = send()
  await hasTaken(2)
  home.say('lost')
  lost.abort()
  home.handleDeadline(SOCKJS_POLL_WAIT_MS - 1)
  expect(home.isGone).toBe(false)
  home.handleDeadline(SOCKJS_POLL_WAIT_MS)
  expect(home.isGone).toBe(true)
})

test('a client that goes while its poll waits takes the session along', async () => {
  const broken = send()
  await hasTaken(2)
  broken.abort()
  await home.waiters.until(
    () => home.isGone || undefined,
    () => 'the session is gone',
  )
  expect(answers).toEqual(['o\n'])
})
