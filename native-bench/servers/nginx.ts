/** nginx as a plain proxy in front of the backend, and nginx with nchan as a server that publishes. */
import { existsSync, readdirSync } from 'node:fs'
import { Program } from '../program.js'
import { Place } from './place.js'
import { answers, nothingDropped, waitUntilReady } from './server.js'
import type { Role, Server, ServerKind, ServerName, StartOptions } from './server.js'

const KEEPING = 'proxy_http_version 1.1; proxy_set_header Connection "";'

export const nginx: ServerKind = {
  name: 'nginx',
  configuration: 'a worker per core, connections to the backend kept alive, no access log',
  find: findNginx,
  start: (options) => startProxy('nginx', options, KEEPING),
}

export const nginxDefault: ServerKind = {
  name: 'nginx-default',
  configuration: 'as nginx, but with the defaults of proxy_pass: a connection to the backend for each request',
  find: findNginx,
  start: (options) => startProxy('nginx-default', options, ''),
}

function findNginx(): ReturnType<ServerKind['find']> {
  const place = Place.find('nginx')
  return place === null ? { missing: 'no nginx' } : { version: place.version('nginx', '-v') }
}

async function startProxy(name: ServerName, { ports, backendPort }: StartOptions, directives: string): Promise<Server> {
  const port = await ports.take()
  const http = `
  upstream backend { server 127.0.0.1:${backendPort};${directives === '' ? '' : ' keepalive 64; keepalive_requests 100000000;'} }
  server {
    listen 127.0.0.1:${port} reuseport;
    location / { proxy_pass http://backend; ${directives} }
  }`
  return start(name, '', http, port, '/plain', { plain: [`--port=${port}`, '--path=/plain'] })
}

export const nchan: ServerKind = {
  name: 'nchan',
  configuration: 'nginx with a worker per core, no message buffer, no access log; no backend',
  find() {
    const place = Place.find('nginx')
    if (place === null || modules(place) === '') return { missing: 'no nginx with ngx_nchan_module' }
    return { version: place.version('nginx', '-v').replace('nginx version: ', 'ngx_nchan_module with ') }
  },
  async start(options) {
    const place = Place.find('nginx')
    if (place === null) throw new Error('no nginx')
    const port = await options.ports.take()
    const common = 'nchan_channel_id $arg_id; nchan_message_buffer_length 0;'
    const http = `
  nchan_shared_memory_size 512M;
  server {
    listen 127.0.0.1:${port} reuseport;
    location = /ready { return 200; }
    location = /ws { nchan_subscriber websocket; ${common} nchan_subscriber_first_message newest; }
    location = /stream { nchan_subscriber http-raw-stream; ${common} nchan_subscriber_first_message newest; }
    location /publish/ { nchan_publisher; ${common} }
  }`
    return start('nchan', modules(place), http, port, '/ready', {
      ws: [`--port=${port}`, '--ws-path=/ws?id={c}'],
      stream: [`--port=${port}`, '--stream-path=/stream?id={c}'],
      publish: ['--publish=nchan', `--publish-port=${port}`, '--publish-connections=16'],
      'publish-http': ['--publish=nchan', `--publish-port=${port}`],
      open: [`--port=${port}`, '--path=/ws?id=bench'],
    })
  },
}

/** The lines that load nchan; empty: there is no nchan. */
function modules(place: Place): string {
  const folder = '/etc/nginx/modules-enabled'
  const root = place.root ?? ''
  const files = existsSync(root + folder) ? readdirSync(root + folder) : []
  return files
    .filter((file) => file.includes('nchan'))
    .map((file) => `include ${folder}/${file};`)
    .join('\n')
}

async function start(
  name: string,
  head: string,
  httpBlock: string,
  port: number,
  readyPath: string,
  roles: Readonly<Partial<Record<Role, readonly string[]>>>,
): Promise<Server> {
  const place = Place.find('nginx')
  if (place === null) throw new Error('no nginx')
  const folder = place.folder()
  const confFile = folder.write(
    'nginx.conf',
    `${head}
user root;
daemon off;
worker_processes auto;
worker_rlimit_nofile 20000;
pid ${folder.path}/pid;
error_log ${folder.path}/error.log;
events { worker_connections 18000; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path ${folder.path}/body;
  proxy_temp_path ${folder.path}/proxy;${httpBlock}
}
`,
  )
  const startedMs = performance.now()
  const errorLog = `${folder.path}/start.log`
  const program = new Program({ name, command: place.command('nginx', ['-e', errorLog, '-c', confFile]) })
  program.keepOutput()
  const stop = async (): Promise<void> => {
    await program.stop()
    folder.remove()
  }
  try {
    const readyMs = await waitUntilReady(program, startedMs, () => answers(port, readyPath))
    return { program, readyMs, roles, dropped: nothingDropped, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
