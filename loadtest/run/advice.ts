/** What to tell a user whose gateway does not do what the scenario needs. */
import { channelName, pathOf } from '../options.js'
import type { LoadOptions, PublishDoor } from '../options.js'

/** The path of the first client. */
function firstPath(options: LoadOptions): string {
  return pathOf(options.path, channelName(options, 0))
}

export function adviceOnOpening(kind: string, options: LoadOptions): string {
  const what = `${options.origin}${firstPath(options)}: ${kind}.`
  const status = /status (\d+)/.exec(kind)?.[1]
  if (status === '404') {
    return (
      `${what}\nThe load test asks for paths of the built-in targets (Tackboard's demo, Pushpin's test). Use a route such ` +
      "as '* test', or name a path of your backend in --url."
    )
  }
  if (status === '502' || status === '503') return `${what}\nThe gateway has no route for it, or cannot reach the backend.`
  return what
}

export function adviceOnPublishing(kind: string, example: string, door: PublishDoor): string {
  const answer = example === '' ? '' : ` (${example})`
  const flag = door.kind === 'http' ? '--publish-url' : '--zmq-push'
  return (
    `Publishing to ${addressOf(door)}: ${kind.replace('publish: ', '')}${answer}.\n` +
    `Name the gateway's port for publishers with ${flag}.`
  )
}

export function adviceOnDelivery(options: LoadOptions, door: PublishDoor, waitedSeconds: number): string {
  return (
    `A message published to ${addressOf(door)} has not come to a client of ${options.origin} within ` +
    `${String(waitedSeconds)} s.\nDo both belong to the same gateway, and does ${firstPath(options)} listen to the channel ` +
    `${channelName(options, 0)}?`
  )
}

export function adviceOnEcho(options: LoadOptions, waitedSeconds: number): string {
  return (
    `A WebSocket message to ${options.origin}${firstPath(options)} has not come back within ${String(waitedSeconds)} s.\n` +
    'ws-echo needs a backend that sends back what it gets: the built-in targets do, and that of --backend-port.'
  )
}

export function adviceOnBackend(options: LoadOptions, route: string): string {
  return (
    `${options.origin} does not lead to the backend of the load test. Give the gateway this route:\n  ${route}\n` +
    `Tackboard: npm start -- --route='${route}'`
  )
}

function addressOf(door: PublishDoor): string {
  return door.kind === 'http' ? door.url : door.endpoint
}
