/** A pushpin.conf as Debian's package of Pushpin 1.41 ships it: every key and value, none of its words. */
import { expect, test } from 'vitest'
import { loadSettings } from './load.js'

const CONF = `
[global]
include={libdir}/internal.conf
rundir=/var/run/pushpin
ipc_prefix=pushpin-
port_offset=0
stats_connection_ttl=120
stats_connection_send=true

[runner]
services=connmgr,proxy,handler
http_port=7999
# "quoted" words, an = sign, and one " too many
#https_ports=443
#local_ports={rundir}/{ipc_prefix}server
logdir=/var/log/pushpin
log_level=2
client_buffer_size=8192
client_maxconn=50000
allow_compression=false
mongrel2_bin=mongrel2
m2sh_bin=m2sh
zurl_bin=zurl

[proxy]
routesfile=routes
debug=false
auto_cross_origin=false
accept_x_forwarded_protocol=false
set_x_forwarded_protocol=proto-only
x_forwarded_for=
x_forwarded_for_trusted=
orig_headers_need_mark=
accept_pushpin_route=false
cdn_loop=
log_from=false
log_user_agent=false
sig_iss=pushpin
sig_key=changeme
upstream_key=
sockjs_url=http://cdn.jsdelivr.net/sockjs/0.3.4/sockjs.min.js
updates_check=off
organization_name=

[handler]
#ipc_file_mode=777
push_in_spec=tcp://127.0.0.1:5560
push_in_sub_specs=tcp://127.0.0.1:5562
push_in_sub_connect=false
push_in_http_addr=127.0.0.1
push_in_http_port=5561
push_in_http_max_headers_size=10000
push_in_http_max_body_size=1000000
stats_spec=ipc://{rundir}/{ipc_prefix}stats
command_spec=tcp://127.0.0.1:5563
message_rate=2500
message_hwm=25000
#message_block_size=
message_wait=5000
id_cache_ttl=60
update_on_first_subscription=true
connection_subscription_max=20
subscription_linger=60
stats_subscription_ttl=60
stats_report_interval=10
stats_format=tnetstring
`

/** Keys of the internal.conf that comes with it. */
const WIRING = `
[proxy]
connmgr_in_specs=ipc://{rundir}/{ipc_prefix}a
connmgr_in_stream_specs=ipc://{rundir}/{ipc_prefix}b
connmgr_out_specs=ipc://{rundir}/{ipc_prefix}c
m2a_in_specs=ipc://{rundir}/{ipc_prefix}d,ipc://{rundir}/{ipc_prefix}e
m2a_in_stream_specs=ipc://x
m2a_out_specs=ipc://x
connmgr_client_out_specs=ipc://x
connmgr_client_out_stream_specs=ipc://x
connmgr_client_in_specs=ipc://x
zurl_out_specs=ipc://x
zurl_out_stream_specs=ipc://x
zurl_in_specs=ipc://x
handler_inspect_spec=ipc://x
handler_accept_spec=ipc://x
handler_retry_in_spec=ipc://x
handler_ws_control_init_specs=ipc://x
handler_ws_control_stream_specs=ipc://x
stats_spec=ipc://x
command_spec=ipc://x
intreq_in_specs=ipc://x
intreq_in_stream_specs=ipc://x
intreq_out_specs=ipc://x
[handler]
proxy_inspect_specs=ipc://x
proxy_accept_specs=ipc://x
proxy_retry_out_specs=ipc://x
proxy_ws_control_init_specs=ipc://x
proxy_ws_control_stream_specs=ipc://x
proxy_stats_specs=ipc://x
proxy_command_spec=ipc://x
connmgr_in_stream_specs=ipc://x
connmgr_out_specs=ipc://x
m2a_in_stream_specs=ipc://x
m2a_out_specs=ipc://x
proxy_intreq_out_specs=ipc://x
proxy_intreq_out_stream_specs=ipc://x
proxy_intreq_in_specs=ipc://x
`

const FILE = '/etc/pushpin/pushpin.conf'

test.each([
  ['without its internal.conf', { [FILE]: CONF }],
  [
    'with its internal.conf',
    { [FILE]: CONF.replace('{libdir}', '/usr/lib/pushpin'), '/usr/lib/pushpin/internal.conf': WIRING },
  ],
])('it loads %s, and there is nothing to say about it', (_, files: Record<string, string>) => {
  const loaded = loadSettings({
    argv: [],
    readFile: (path) => files[path] as string,
    list: () => [],
    exists: (path) => path in files,
    cwd: '/',
    cores: 4,
  })
  expect([loaded.faults, loaded.warnings, loaded.notices]).toEqual([[], [], []])
  expect(loaded.settings).toMatchObject({
    file: FILE,
    global: { rundir: '/var/run/pushpin' },
    runner: { logdir: '/var/log/pushpin', workers: 4 },
    proxy: { routesfile: '/etc/pushpin/routes', sigKey: 'changeme' },
    handler: { statsSpec: 'ipc:///var/run/pushpin/pushpin-stats', messageRate: 2500, pushInHttpPort: 5561 },
  })
})
