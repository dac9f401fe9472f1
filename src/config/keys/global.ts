/** Keys of section [global]. */
import { TTL, USED } from './row.js'
import type { KeyRow } from './row.js'

export const GLOBAL_KEYS = [
  {
    key: 'global.include',
    type: 'text',
    shipped: '',
    meaning: USED,
    doc: "A second file whose values hold where this one has none; a relative path is relative to this file. Pushpin's `{libdir}/internal.conf` may be named and may be missing: it wires Pushpin's processes together.",
  },
  {
    key: 'global.libdir',
    type: 'text',
    shipped: '',
    meaning: USED,
    doc: 'What `{libdir}` stands for in other values. Only `include` ever needs it.',
  },
  {
    key: 'global.rundir',
    type: 'text',
    shipped: 'run',
    meaning: USED,
    doc: 'Directory for files of the running process (`ipc://` sockets); what `{rundir}` stands for in other values. A relative path is relative to the working directory.',
  },
  {
    key: 'global.ipc_prefix',
    type: 'text',
    shipped: 'pushpin-',
    meaning: USED,
    doc: 'What `{ipc_prefix}` stands for in other values. `--id=N` makes it `pN-`.',
  },
  {
    key: 'global.port_offset',
    type: 'integer',
    range: [-65_535, 65_535],
    shipped: '0',
    meaning: USED,
    doc: 'Added to every `tcp://` port in this file and to `push_in_http_port`, not to the ports of clients. `--id=N` (N above 0) makes it 10·N.',
  },
  {
    key: 'global.stats_connection_ttl',
    type: 'integer',
    range: TTL,
    unit: 's',
    shipped: '120',
    meaning: USED,
    doc: 'How long the statistics of a connection are valid without being repeated.',
  },
  {
    key: 'global.stats_connection_send',
    type: 'boolean',
    shipped: 'true',
    meaning: USED,
    doc: 'Whether statistics are sent for single connections.',
  },
] as const satisfies readonly KeyRow[]
