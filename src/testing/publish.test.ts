import { expect, test } from 'vitest'
import * as zmq from 'zeromq'
import { freePorts } from './free-ports.js'
import { encodeItem, encodeTnetstring, PubPublisher, PushPublisher, wsItem } from './publish.js'

test('tnetstrings as the format says', () => {
  const value = { a: 'ü', b: [1, true, null, Buffer.from([0xff])] }
  expect(encodeTnetstring(value).toString('latin1')).toBe('35:1:a,2:\u00c3\u00bc,1:b,18:1:1#4:true!0:~1:\u00ff,]}')
  expect(encodeItem({ channel: 'c' }, 'tnetstring').toString()).toBe('T14:7:channel,1:c,}')
})

test('PUSH keeps the order of sends that are not awaited', async () => {
  const pull = new zmq.Pull({ linger: 0 })
  const [port = 0] = await freePorts(1)
  await pull.bind(`tcp://127.0.0.1:${port}`)
  const publisher = PushPublisher.connect(port)
  const sent = Array.from({ length: 100 }, (_, i) => publisher.publish(wsItem('c', String(i))))
  for (let i = 0; i < 100; i += 1) {
    const [message] = await pull.receive()
    expect(message?.toString()).toBe(`J{"channel":"c","formats":{"ws-message":{"content":"${i}"}}}`)
  }
  await Promise.all(sent)
  publisher.close()
  pull.close()
})

test('PUB by bind sees channels come and go', async () => {
  const { publisher, spec } = await PubPublisher.bind()
  const subscriber = new zmq.Subscriber({ linger: 0 })
  subscriber.connect(spec)
  subscriber.subscribe('news')
  await publisher.subscribedTo('news')
  await publisher.publish(wsItem('news', 'x'))
  const [topic, body] = await subscriber.receive()
  expect([topic?.toString(), body?.toString()[0]]).toEqual(['news', 'J'])
  subscriber.unsubscribe('news')
  await publisher.unsubscribedFrom('news')
  expect(publisher.seen).toEqual(['+news', '-news'])
  subscriber.close()
  publisher.close()
})

test('PUB by connect sees channels of a socket that binds', async () => {
  const [port = 0] = await freePorts(1)
  const subscriber = new zmq.Subscriber({ linger: 0 })
  await subscriber.bind(`tcp://127.0.0.1:${port}`)
  const publisher = PubPublisher.connect(port)
  subscriber.subscribe('a')
  // A bound socket notices a peer only inside its own calls.
  const received = subscriber.receive()
  await publisher.subscribedTo('a')
  await publisher.publish(wsItem('a', 'x'))
  expect((await received)[0]?.toString()).toBe('a')
  subscriber.close()
  publisher.close()
})
