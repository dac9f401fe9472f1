/** A client of the command socket (5563), as users write one: a DEALER that sends an empty part and a request. */
import * as zmq from 'zeromq'
import { encodeTnetstring } from './publish.js'
import { withDeadline } from './wait.js'

/** A reply as plain data: byte strings as latin1 text. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain }

export class Commander {
  readonly socket = new zmq.Dealer({ linger: 0 })

  static connect(portOrSpec: number | string): Commander {
    const commander = new Commander()
    commander.socket.connect(typeof portOrSpec === 'string' ? portOrSpec : `tcp://127.0.0.1:${portOrSpec}`)
    return commander
  }

  /** The reply to a request of this method. */
  async call(method: string, args?: unknown): Promise<Plain> {
    const request = { id: 'one', method, ...(args === undefined ? {} : { args }) }
    const parts = await this.exchange(Buffer.alloc(0), encodeTnetstring(request))
    return plainOfTnetstring(parts[1] as Buffer)
  }

  /** The parts that come back; one exchange at a time. */
  async exchange(...parts: Buffer[]): Promise<Buffer[]> {
    await this.socket.send(parts)
    return withDeadline(this.socket.receive(), () => `a reply to ${Buffer.concat(parts).toString('latin1', 0, 200)}`)
  }

  close(): void {
    this.socket.close()
  }
}

/** Written apart from the gateway's own codec. Throws when `bytes` are not one whole tnetstring. */
export function plainOfTnetstring(bytes: Buffer): Plain {
  const [value, rest] = take(bytes)
  if (rest.length > 0) throw new Error(`bytes behind the tnetstring: ${rest.toString('latin1')}`)
  return value
}

function take(bytes: Buffer): [Plain, Buffer] {
  const colon = bytes.indexOf(':')
  const end = colon + 1 + Number(bytes.toString('latin1', 0, colon))
  const content = bytes.subarray(colon + 1, end)
  const rest = bytes.subarray(end + 1)
  const text = content.toString('latin1')
  switch (String.fromCharCode(bytes[end] as number)) {
    case ',':
      return [text, rest]
    case '#':
    case '^':
      return [Number(text), rest]
    case '!':
      return [text === 'true', rest]
    case '~':
      return [null, rest]
    case ']':
      return [takeAll(content), rest]
    case '}': {
      const all = takeAll(content)
      const object: { [key: string]: Plain } = {}
      for (let i = 0; i < all.length; i += 2) object[all[i] as string] = all[i + 1] as Plain
      return [object, rest]
    }
    default:
      throw new Error(`not a tnetstring: ${bytes.toString('latin1', 0, 200)}`)
  }
}

function takeAll(content: Buffer): Plain[] {
  const values: Plain[] = []
  for (let rest = content; rest.length > 0;) {
    const [value, behind] = take(rest)
    values.push(value)
    rest = behind
  }
  return values
}
