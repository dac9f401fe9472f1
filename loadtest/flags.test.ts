import { describe, expect, test } from 'vitest'
import { FLAG_ROWS } from './flag-table.js'
import { parseFlags } from './flags.js'
import { helpText } from './help.js'
import { SCENARIOS } from './options.js'
import type { LoadOptions } from './options.js'

const SURROUNDINGS = { cores: 8, run: 'c0ffee00' }

function optionsOf(line: string): LoadOptions {
  const invocation = parseFlags(line.split(' '), SURROUNDINGS)
  if (invocation.kind !== 'run') throw new Error(JSON.stringify(invocation))
  return invocation.options
}

function faultsOf(line: string): readonly string[] {
  const invocation = parseFlags(line === '' ? [] : line.split(' '), SURROUNDINGS)
  return invocation.kind === 'faults' ? invocation.faults : []
}

test('nothing but the scenario: a gateway on its default ports, with its built-in target', () => {
  expect(optionsOf('fanout')).toMatchObject({
    origin: 'http://localhost:7999',
    path: '/ws?channel={channel}',
    publish: { kind: 'http', url: 'http://localhost:5561/publish/' },
    channel: 'loadtest-c0ffee00',
    channels: 1,
    connections: 100,
    rate: 10,
    durationMs: 10_000,
    workers: 4,
  })
  expect(optionsOf('streams').path).toBe('/stream?channel={channel}')
  expect(optionsOf('longpoll').path).toBe('/response?channel={channel}')
  expect(optionsOf('churn --kind=stream').path).toBe('/stream?channel={channel}')
  expect(optionsOf('proxy')).toMatchObject({ path: '/', publish: null })
})

test('every scenario has defaults that are no fault', () => {
  for (const scenario of SCENARIOS) expect(faultsOf(scenario)).toEqual([])
})

test('the publish port is looked for on the host of the gateway', () => {
  expect(optionsOf('fanout --url=ws://gateway.example:8080').publish).toMatchObject({
    url: 'http://gateway.example:5561/publish/',
  })
  expect(optionsOf('fanout --url=http://[::1]:8080').publish).toMatchObject({ url: 'http://[::1]:5561/publish/' })
})

test('a path of one’s own, headers, a certificate', () => {
  const options = optionsOf('ws-echo --url=wss://gateway.example/chat?room={channel} --channel=lobby --insecure')
  expect(options).toMatchObject({ origin: 'https://gateway.example', path: '/chat?room={channel}', insecure: true })
  const invocation = parseFlags(['proxy', '--header=Cookie: a=b; c', '--header=X-Y:'], SURROUNDINGS)
  expect(invocation).toMatchObject({ options: { headers: { Cookie: 'a=b; c', 'X-Y': '' } } })
})

test.each([
  ['10', 10_000],
  ['0.5', 500],
  ['1500ms', 1_500],
  ['30s', 30_000],
  ['2m', 120_000],
  ['1h', 3_600_000],
])('duration %s', (text, ms) => {
  expect(optionsOf(`fanout --duration=${text}`).durationMs).toBe(ms)
})

test('publishing by ZeroMQ', () => {
  expect(optionsOf('publish --zmq-push=tcp://127.0.0.1:5560').publish).toEqual({
    kind: 'zmq-push',
    endpoint: 'tcp://127.0.0.1:5560',
  })
})

test('churn publishes only to verify', () => {
  expect(optionsOf('churn').publish).toBeNull()
  expect(optionsOf('churn --verify').publish).toMatchObject({ kind: 'http' })
})

describe('faults name the flag and what it accepts', () => {
  test.each([
    ['', 'no scenario is named; accepted: fanout, streams, longpoll, ws-echo, churn, publish, proxy'],
    ['fan-out', 'no such scenario: fan-out; accepted: fanout, streams, longpoll, ws-echo, churn, publish, proxy'],
    ['fanout --connections=many', '--connections: "many" is not accepted; accepted: a whole number from 1 to 100,000'],
    ['fanout --connections=0', '--connections: "0" is not accepted; accepted: a whole number from 1 to 100,000'],
    [
      'fanout --rate=-1',
      '--rate: "-1" is not accepted; accepted: a number per second, above 0 and up to 1,000,000, or max',
    ],
    [
      'fanout --rate=0',
      '--rate: "0" is not accepted; accepted: a number per second, above 0 and up to 1,000,000, or max',
    ],
    [
      'fanout --duration=soon',
      '--duration: "soon" is not accepted; accepted: seconds, or a number with ms, s, m or h, at least 0.1 s',
    ],
    [
      'fanout --url=localhost:7999',
      '--url: "localhost:7999" is not accepted; accepted: http://HOST[:PORT][/PATH] or https://…, ws://…, wss://…',
    ],
    [
      'fanout --publish-url=5561',
      '--publish-url: "5561" is not accepted; accepted: http://HOST:PORT/PATH or https://…, such as http://localhost:5561/publish/',
    ],
    [
      'fanout --zmq-push=5560',
      '--zmq-push: "5560" is not accepted; accepted: tcp://HOST:PORT or ipc://FILE, such as tcp://127.0.0.1:5560',
    ],
    ['fanout --header=nonsense', `--header: "nonsense" is not accepted; accepted: 'Name: value' in ASCII`],
    [
      'fanout --payload-bytes=10',
      '--payload-bytes: "10" is not accepted; accepted: a whole number from 39 to 1,000,000',
    ],
    ['churn --kind=tcp', '--kind: "tcp" is not accepted; accepted: ws or stream'],
    ['proxy --backend-port=0', '--backend-port: "0" is not accepted; accepted: a whole number from 1 to 65,535'],
    ['fanout --conections=5', '--conections: no such flag; did you mean --connections?'],
    ['fanout --xyz', '--xyz: no such flag; --help names them all'],
    ['fanout --json', '--json: needs a value, --json=FILE'],
    ['fanout --insecure=yes', '--insecure: takes no value'],
    ['fanout --rate=1 --rate=2', '--rate: given twice'],
    ['fanout 500', '500: flags are written --name=value'],
    [
      'proxy --zmq-push=tcp://a:1',
      '--zmq-push: not a flag of proxy; it is one of fanout, streams, longpoll, publish, churn',
    ],
    [
      'longpoll --rate=max',
      '--rate: longpoll takes a number only, since a poll on its way misses what is published meanwhile',
    ],
    ['longpoll --rate=100000 --duration=1h', '--duration: longpoll makes at most 10,000,000 publishes'],
    ['fanout --channels=200', '--channels: at most as many as --connections (100)'],
    ['fanout --url=http://a/x', '--channel: needed, because the path in --url does not contain {channel}'],
    [
      'fanout --url=http://a/x --channel=c --channels=2',
      '--url: its path must contain {channel} when there are several channels',
    ],
    [
      'churn --verify --url=http://a/x --channel=c',
      '--url: its path must contain {channel} when there are several channels',
    ],
    [
      'publish --connections=0 --zmq-push=tcp://a:1',
      '--connections: at least 1 with --zmq-push, which answers nothing',
    ],
    ['churn --publish-url=http://a/', '--publish-url: churn publishes only with --verify'],
    ['fanout --zmq-push=tcp://a:1 --publish-url=http://a/', '--publish-url cannot be given together with --zmq-push'],
  ])('%s', (line, fault) => {
    expect(faultsOf(line)).toEqual([fault])
  })

  test('all at once', () => {
    expect(faultsOf('fanout --rate=x --connections=y --nope')).toHaveLength(3)
  })
})

test('help names every flag, or those of a scenario', () => {
  const all = helpText(null)
  for (const { name } of FLAG_ROWS) expect(all).toContain(`--${name}`)
  expect(parseFlags(['--help'], SURROUNDINGS)).toEqual({ kind: 'help', scenario: null })
  expect(parseFlags(['proxy', '--help'], SURROUNDINGS)).toEqual({ kind: 'help', scenario: 'proxy' })
  expect(helpText('proxy')).not.toContain('--zmq-push')
})
