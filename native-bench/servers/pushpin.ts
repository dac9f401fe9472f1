/** Pushpin, from Debian's package: its processes, with its limits opened wide. */
import { Program } from '../program.js'
import { Place } from './place.js'
import { answers, nothingDropped, waitUntilReady } from './server.js'
import type { Server, ServerKind, StartOptions } from './server.js'
import { gripRoles } from './tackboard.js'

export const pushpin: ServerKind = {
  name: 'pushpin',
  configuration: 'as shipped, with message_rate and message_hwm of 1,000,000 and log_level=1 (no line per request)',
  find() {
    const place = Place.find('pushpin')
    return place === null ? { missing: 'no pushpin' } : { version: place.version('pushpin', '--version') }
  },
  start,
}

async function start({ ports, backendPort, pubPort }: StartOptions): Promise<Server> {
  const place = Place.find('pushpin')
  if (place === null) throw new Error('no pushpin')
  const [client, pull, control, sub, command] = [
    await ports.take(),
    await ports.take(),
    await ports.take(),
    await ports.take(),
    await ports.take(),
  ]
  const folder = place.folder()
  folder.write('routes', `* 127.0.0.1:${backendPort},over_http\n`)
  const confFile = folder.write(
    'pushpin.conf',
    `[global]
include={libdir}/internal.conf
rundir=${folder.path}
ipc_prefix=p-
port_offset=0
stats_connection_ttl=120
stats_connection_send=true

[runner]
services=connmgr,proxy,handler
http_port=127.0.0.1:${client}
logdir=${folder.path}
log_level=1
client_buffer_size=8192
client_maxconn=50000
allow_compression=false

[proxy]
routesfile=routes
debug=false
auto_cross_origin=false
accept_x_forwarded_protocol=false
set_x_forwarded_protocol=proto-only
sig_iss=pushpin
sig_key=changeme
updates_check=off

[handler]
push_in_spec=tcp://127.0.0.1:${pull}
push_in_sub_specs=tcp://127.0.0.1:${pubPort ?? sub}
push_in_sub_connect=${pubPort !== null}
push_in_http_addr=127.0.0.1
push_in_http_port=${control}
push_in_http_max_headers_size=10000
push_in_http_max_body_size=1000000
stats_spec=ipc://{rundir}/{ipc_prefix}stats
command_spec=tcp://127.0.0.1:${command}
message_rate=1000000
message_hwm=1000000
message_wait=5000
id_cache_ttl=60
update_on_first_subscription=true
connection_subscription_max=20
subscription_linger=60
stats_subscription_ttl=60
stats_report_interval=10
stats_format=tnetstring
`,
  )
  const startedMs = performance.now()
  const program = new Program({ name: 'pushpin', command: place.command('pushpin', [`--config=${confFile}`]) })
  program.keepOutput()
  const stop = async (): Promise<void> => {
    await program.stop()
    folder.remove()
  }
  try {
    const isReady = async (): Promise<boolean> => (await answers(control, '/')) && (await answers(client, '/plain'))
    const readyMs = await waitUntilReady(program, startedMs, isReady)
    return { program, readyMs, roles: gripRoles(client, pull, control, pubPort), dropped: nothingDropped, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
