// Server-sent events for EventSource: Express 5 and @fanoutio/eventstream.
//
//   node docs/examples/events-express/backend.js                           the backend, on port 3004
//   npm start -- --route='* 127.0.0.1:3004'                                the gateway, in a second terminal
//   curl -N http://localhost:7999/events/news                              a stream of events, in a third one
//   curl -H 'Content-Type: text/plain' -d 'hello' http://localhost:7999/events/news
//                                                                          an event, in a fourth one
//
// PORT (3004) and GRIP_URL (http://127.0.0.1:5561/) come from the environment. With a key in GRIP_URL, as in
// http://127.0.0.1:5561/?iss=pushpin&key=changeme, only requests that the gateway has signed with it are answered.
//
// Reached without a gateway, @fanoutio/eventstream keeps the connections itself, and each process has listeners of its
// own. Behind one it holds none: any number of processes publish to all listeners.
import { EventStream } from '@fanoutio/eventstream'
import { parseGripUri, Publisher } from '@fanoutio/grip'
import express from 'express'

const port = Number(process.env.PORT ?? 3004)
const gripUrl = process.env.GRIP_URL ?? 'http://127.0.0.1:5561/'
const publisher = new Publisher(parseGripUri(gripUrl))
const isKeyGiven = new URL(gripUrl).searchParams.has('key')
const eventStream = new EventStream({ grip: gripUrl })
const app = express()
app.disable('x-powered-by')

// The library's own check does not wait for its result (serve-grip 2.0.0), so this stands in front of it.
app.use(async (request, response, next) => {
  const { isSigned } = await publisher.validateGripSig(request.headers['grip-sig'] ?? null)
  if (isSigned || !isKeyGiven) return next()
  response.status(403).type('text').send('This address is for the gateway only.\n')
})

// GET /events/NAME listens, POST /events/NAME publishes its body.
app.get('/events/:channel', eventStream('{channel}'))
app.post('/events/:channel', express.text(), async (request, response) => {
  await eventStream.publishEvent(request.params.channel, { event: 'message', data: { text: request.body ?? '' } })
  response.type('text').send('Published\n')
})

const server = app.listen(port, '127.0.0.1', (error) => {
  if (error) {
    console.error(`cannot listen on port ${port}: ${error.message}`)
    process.exitCode = 1
    return
  }
  console.log(`events backend on http://127.0.0.1:${port}/, publishing to ${new URL(gripUrl).origin}`)
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => server.close())
