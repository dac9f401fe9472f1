/** All flags, in the order of the help text. */
import type { Scenario } from './options.js'

export interface FlagRow {
  readonly name: string
  /** Null: takes no value. */
  readonly value: string | null
  /** Null: all scenarios. */
  readonly scenarios: readonly Scenario[] | null
  readonly doc: string
  /** May be given several times. */
  readonly many?: true
}

const RECEIVING: readonly Scenario[] = ['fanout', 'streams', 'longpoll', 'publish']
const PUBLISHING: readonly Scenario[] = [...RECEIVING, 'churn']
const WITH_BACKEND: readonly Scenario[] = ['ws-echo', 'churn', 'proxy']
const OPENING: readonly Scenario[] = ['fanout', 'streams', 'longpoll', 'publish', 'ws-echo', 'churn']

export const FLAG_ROWS: readonly FlagRow[] = [
  { name: 'connections', value: 'N', scenarios: null, doc: 'Clients.' },
  { name: 'rate', value: 'N|max', scenarios: null, doc: 'Per second over all clients; max: as fast as it goes.' },
  { name: 'duration', value: 'TIME', scenarios: null, doc: 'Length of the measurement: 10, 10s, 500ms, 2m (10s).' },
  { name: 'warmup', value: 'TIME', scenarios: null, doc: 'The same load before it, not measured (2s).' },
  { name: 'ramp', value: 'TIME', scenarios: OPENING, doc: 'Time to open the connections over (500 a second).' },
  {
    name: 'url',
    value: 'URL',
    scenarios: null,
    doc: 'The gateway, with a path of your own if you like; {channel} in it is replaced (http://localhost:7999).',
  },
  { name: 'header', value: "'NAME: VALUE'", scenarios: null, many: true, doc: 'Sent by the clients.' },
  { name: 'insecure', value: null, scenarios: null, doc: 'Accept any certificate.' },
  {
    name: 'publish-url',
    value: 'URL',
    scenarios: PUBLISHING,
    doc: 'Publish by HTTP POST (port 5561 of the gateway, /publish/).',
  },
  { name: 'publish-header', value: "'NAME: VALUE'", scenarios: PUBLISHING, many: true, doc: 'Sent with each publish.' },
  {
    name: 'zmq-push',
    value: 'ENDPOINT',
    scenarios: PUBLISHING,
    doc: 'Publish by ZeroMQ instead: tcp://127.0.0.1:5560.',
  },
  { name: 'channel', value: 'NAME', scenarios: OPENING, doc: 'Channel to use (loadtest- and the number of the run).' },
  {
    name: 'channels',
    value: 'N',
    scenarios: RECEIVING,
    doc: 'Spread the clients over NAME-0, NAME-1 …; publishes go to them in turn (1).',
  },
  { name: 'workers', value: 'N', scenarios: null, doc: 'Worker threads for the clients (half the cores, 2 to 8).' },
  {
    name: 'payload-bytes',
    value: 'N',
    scenarios: null,
    doc: 'Size of a message, or of a response of --backend-port (100).',
  },
  { name: 'in-flight', value: 'N', scenarios: RECEIVING, doc: 'With --rate=max: publishes under way at a time (64).' },
  {
    name: 'settle',
    value: 'TIME',
    scenarios: ['longpoll'],
    doc: 'A poll of this age must get what is published (500ms).',
  },
  { name: 'kind', value: 'ws|stream', scenarios: ['churn'], doc: 'What is opened and closed (ws).' },
  {
    name: 'verify',
    value: null,
    scenarios: ['churn'],
    doc: 'Publish to each connection as soon as it is open, and wait for the message.',
  },
  {
    name: 'backend-port',
    value: 'PORT',
    scenarios: WITH_BACKEND,
    doc: 'Start a small backend there, and measure through it; the route to use is printed.',
  },
  { name: 'timeout', value: 'TIME', scenarios: null, doc: 'For opening a connection and for answers (10s).' },
  { name: 'drain', value: 'TIME', scenarios: null, doc: 'At the end, how long missing messages are waited for (5s).' },
  { name: 'label', value: 'TEXT', scenarios: null, doc: 'What you call the gateway, for the report.' },
  { name: 'json', value: 'FILE', scenarios: null, doc: 'Write the results as JSON.' },
  { name: 'report', value: 'FILE.html', scenarios: null, doc: 'Write a report with plots, one file.' },
  { name: 'help', value: null, scenarios: null, doc: 'Print this text.' },
]
