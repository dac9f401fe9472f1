/** What a running gateway reads again: routes, keys, certificates, log files; and that nothing open notices. */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { decodeVerifyingKey, verifyToken } from '../../wire/jwt.js'
import { freePorts } from '../free-ports.js'
import { type Gateway, type GatewayOptions, startGateway } from '../gateway.js'
import { publishHttp, streamItem } from '../publish.js'
import { type BackendCall, ScriptedBackend } from '../scripted-backend.js'
import { StreamClient } from '../stream-client.js'
import { DEFAULT_FILES, NAMED_FILES, RENEWED_FILES } from '../tls-files.js'
import { poll } from '../wait.js'
import { answerEvents, decodeEvents, encodeEvent, GRIP_WITHOUT_PREFIX } from '../websocket-over-http.js'
import { WsClient } from '../ws-client.js'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function start(options: GatewayOptions): Promise<Gateway> {
  const gateway = await startGateway(options)
  cleanups.push(() => gateway.kill())
  return gateway
}

/** Answers with its name; a WebSocket's messages too. */
async function startBackend(name: string): Promise<ScriptedBackend> {
  const backend = await ScriptedBackend.start((call: BackendCall) => {
    if (call.header('accept') !== 'application/websocket-events') return call.answer(200, {}, name)
    const [first] = decodeEvents(call.body)
    if (first?.type === 'OPEN') return answerEvents(call, [encodeEvent('OPEN')], GRIP_WITHOUT_PREFIX)
    answerEvents(call, [encodeEvent('TEXT', `${name}: ${first?.content?.toString() ?? ''}`)])
  })
  cleanups.push(() => backend.stop())
  return backend
}

async function routesFile(...lines: string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tackboard-routes-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'routes')
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

/** As editors and deployment tools do: a new file in place of the old one. */
async function replaceFile(path: string, ...lines: string[]): Promise<void> {
  await writeFile(`${path}.new`, `${lines.join('\n')}\n`)
  await rename(`${path}.new`, path)
}

/** Resolves when the log has had `count` lines with `text` in all. */
async function logged(gateway: Gateway, text: string, count = 1): Promise<void> {
  const pattern = Array<string>(count)
    .fill(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^]*')
  await gateway.printed(new RegExp(pattern))
}

async function bodyOf(gateway: Gateway, path: string): Promise<string> {
  return (await fetch(gateway.httpUrl(path))).text()
}

describe('routes', () => {
  test('a changed file holds for what is new; what is open goes on as it was', async () => {
    const [one, two] = [await startBackend('one'), await startBackend('two')]
    const path = await routesFile('*,path_beg=/t test', `* ${one.target},over_http`)
    const gateway = await start({ routesFile: path })
    const stream = await StreamClient.open(gateway.ports.http, '/t/stream')
    const before = await WsClient.connect(gateway.wsUrl('/ws'))

    await replaceFile(path, '* no-port', `* ${two.target},over_http`, '*,unknown test')
    await logged(gateway, 'routes file changed, reloading')
    await logged(gateway, `${path}:1: target bad format`)
    await logged(gateway, `${path}:3: skipping duplicate condition`)
    await logged(gateway, 'routes loaded with 1 entries')
    await poll(
      async () => (await bodyOf(gateway, '/')) === 'two' || undefined,
      () => 'a new request goes by the new routes',
    )
    expect(await bodyOf(gateway, '/t/stream')).toBe('two')
    before.send('hello')
    expect(await before.waitFor(1)).toEqual(['one: hello'])
    const after = await WsClient.connect(gateway.wsUrl('/ws'))
    after.send('hello')
    expect(await after.waitFor(1)).toEqual(['two: hello'])
    await publishHttp(gateway.controlUrl('/publish/'), streamItem('test', 'still here\n'))
    await stream.waitForText('[stream opened]\nstill here\n')
    after.terminate()
    before.terminate()
  })

  test('SIGHUP reads the file at once; one that cannot be read changes nothing', async () => {
    const one = await startBackend('one')
    const path = await routesFile('* test')
    const gateway = await start({ routesFile: path })
    // A file that has not changed is read again by nothing but the signal.
    gateway.signal('SIGHUP')
    await logged(gateway, 'routes loaded with 1 entries', 2)
    await rename(path, `${path}.away`)
    gateway.signal('SIGHUP')
    await logged(gateway, `unable to open routes file: ${path}`)
    await logged(gateway, 'the routes stay as they are')
    expect(await bodyOf(gateway, '/')).toBe('Hello from the Pushpin test handler!\n')

    await replaceFile(path, `* ${one.target}`)
    gateway.signal('SIGHUP')
    await logged(gateway, 'routes loaded with 1 entries', 3)
    await poll(
      async () => (await bodyOf(gateway, '/')) === 'one' || undefined,
      () => 'a new request goes by the new routes',
    )
  })

  test('SIGHUP reads key files again', async () => {
    const backend = await startBackend('one')
    const path = await routesFile(`*,sig_key=file:key.hex ${backend.target}`)
    const keyFile = join(path, '../key.hex')
    await writeFile(keyFile, '6f6e65')
    const gateway = await start({ routesFile: path, workers: 1 })
    const isSignedWith = async (secret: string): Promise<true | undefined> => {
      await bodyOf(gateway, '/')
      const token = backend.calls.at(-1)?.header('grip-sig') ?? ''
      const { key } = decodeVerifyingKey(secret, () => null)
      return (key !== null && verifyToken(token, key, Date.now())) || undefined
    }
    expect(await isSignedWith('one')).toBe(true)
    await writeFile(keyFile, '74776f')
    gateway.signal('SIGHUP')
    await poll(
      () => isSignedWith('two'),
      () => 'a request is signed with the new key',
    )
  })

  test('lines of --route are not read again', async () => {
    const gateway = await start({ routes: ['* test'] })
    gateway.signal('SIGHUP')
    await logged(gateway, 'SIGHUP: reloading')
    expect(await bodyOf(gateway, '/')).toBe('Hello from the Pushpin test handler!\n')
    expect(gateway.stdout).not.toContain('unable to open')
  })
})

test('log files: SIGHUP opens them again under their name', async () => {
  const gateway = await start({ routes: ['* test'], conf: { 'runner.logdir': '{rundir}/log' } })
  const file = join(gateway.folder, 'log/tackboard.log')
  const contains = (path: string, text: string): Promise<true> =>
    poll(
      async () => (existsSync(path) && (await readFile(path, 'utf8')).includes(text)) || undefined,
      () => `${text} in ${path}`,
    )
  // Every shard writes: its access lines.
  const ask = async (path: string): Promise<void> => {
    await Promise.all(
      Array.from({ length: 40 }, () => fetch(gateway.httpUrl(path), { headers: { connection: 'close' } })),
    )
  }
  await ask('/before')
  await contains(file, '/before')
  await rename(file, `${file}.1`)
  gateway.signal('SIGHUP')
  await contains(file, 'SIGHUP: reloading')
  await ask('/after')
  await contains(file, '"shard":0')
  await contains(file, '"shard":1')
  expect(await readFile(`${file}.1`, 'utf8')).not.toContain('/after')
})

describe('certificates', () => {
  test('SIGHUP: new connections get the new ones, old ones live; a broken set changes nothing', async () => {
    const [port = 0] = await freePorts(1)
    const stem = `runner/certs/default_${port}`
    const gateway = await start({
      routes: ['* test'],
      conf: { 'runner.https_ports': `127.0.0.1:${port}` },
      files: { [`${stem}.crt`]: DEFAULT_FILES.cert, [`${stem}.key`]: DEFAULT_FILES.key },
    })
    const place = (name: string): string => join(gateway.folder, name)
    const url = `wss://127.0.0.1:${port}/ws`
    const before = await WsClient.connect(url, { rejectUnauthorized: false })
    expect(await nameAt(port)).toBe('default')

    await writeFile(place(`${stem}.crt`), RENEWED_FILES.cert)
    gateway.signal('SIGHUP')
    await logged(gateway, 'certificates stay as they are')
    expect(await nameAt(port)).toBe('default')

    await writeFile(place(`${stem}.key`), RENEWED_FILES.key)
    await writeFile(place('runner/certs/www.named.test.crt'), NAMED_FILES.cert)
    await writeFile(place('runner/certs/www.named.test.key'), NAMED_FILES.key)
    gateway.signal('SIGHUP')
    await logged(gateway, 'certificates changed')
    await poll(
      async () => (await nameAt(port)) === 'renewed' || undefined,
      () => 'the new certificate',
    )
    await poll(
      async () => (await nameAt(port, 'www.named.test')) === 'www.named.test' || undefined,
      () => 'the certificate of a new name',
    )
    const after = await WsClient.connect(url, { rejectUnauthorized: false })
    for (const client of [before, after]) {
      client.send('echo')
      await client.waitForText('echo')
    }
    await gateway.stop()
    for (const client of [before, after]) expect(await client.closed).toMatchObject({ code: 1001 })
  })
})

test('SIGHUP: backends are shown the new client certificate', async () => {
  const backend = https.createServer(
    { ...DEFAULT_FILES, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const { subject } = (request.socket as tls.TLSSocket).getPeerCertificate() as { subject?: { CN?: string } }
      response.end(subject?.CN)
    },
  )
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  const folder = await mkdtemp(join(tmpdir(), 'tackboard-reload-'))
  cleanups.push(async () => {
    backend.closeAllConnections()
    backend.close()
    await rm(folder, { recursive: true })
  })
  const put = async ({ cert, key }: { readonly cert: string; readonly key: string }): Promise<void> => {
    await writeFile(join(folder, 'client.crt'), cert)
    await writeFile(join(folder, 'client.key'), key)
  }
  await put(DEFAULT_FILES)
  const { port } = backend.address() as AddressInfo
  const files = `client_cert=${join(folder, 'client.crt')},client_key=${join(folder, 'client.key')}`
  const file = await routesFile(`* 127.0.0.1:${String(port)},ssl,insecure,${files}`)
  const gateway = await start({ routesFile: file })
  expect(await bodyOf(gateway, '/')).toBe('default')

  await writeFile(join(folder, 'client.key'), RENEWED_FILES.key)
  gateway.signal('SIGHUP')
  await logged(gateway, 'client certificate stays as it is: 127.0.0.1:')
  expect(await bodyOf(gateway, '/')).toBe('default')

  await put(RENEWED_FILES)
  gateway.signal('SIGHUP')
  await poll(
    async () => (await bodyOf(gateway, '/')) === 'renewed' || undefined,
    () => 'the new certificate',
  )
})

function nameAt(port: number, servername = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}
