/** Keys of section [runner]. */
import { USED, none } from './row.js'
import type { KeyRow } from './row.js'

const ONE_PROCESS = 'there are no services to start: one process does the work of all of them'
const NO_PROGRAMS = 'no other program is started'

export const RUNNER_KEYS = [
  {
    key: 'runner.http_port',
    type: 'listen',
    shipped: '7999',
    absent: '',
    meaning: USED,
    doc: 'Where clients connect: a list of `[addr:]port`, IPv6 as `[::1]:7999`, all addresses when none is given.',
  },
  {
    key: 'runner.https_ports',
    type: 'listen tls',
    shipped: '',
    meaning: USED,
    doc: 'The same with TLS; certificates: see [TLS](#tls).',
  },
  {
    key: 'runner.local_ports',
    type: 'local',
    shipped: '',
    meaning: USED,
    doc: 'Unix sockets where clients connect: a list of `path[?mode=octal&user=name&group=name]`; a relative path is relative to the working directory. One thread serves them.',
  },
  {
    key: 'runner.workers',
    type: 'integer',
    range: [0, 1024],
    shipped: '0',
    ours: true,
    meaning: USED,
    doc: 'Threads that serve clients; 0: one per processor core.',
  },
  {
    key: 'runner.logdir',
    type: 'text',
    shipped: '',
    meaning: USED,
    doc: 'Directory for the log file `tackboard.log`; empty: log to standard output. `--merge-output` and `--logfile` win over it.',
  },
  {
    key: 'runner.log_level',
    type: 'log level',
    shipped: '2',
    meaning: USED,
    doc: '0 errors, 1 warnings, 2 information, 3 debugging, 4 tracing. Levels of single services (`2,proxy:3`) are read and have no effect.',
  },
  {
    key: 'runner.client_buffer_size',
    type: 'integer',
    range: [1024, 16_777_216],
    unit: 'bytes',
    shipped: '8192',
    meaning: USED,
    doc: "A client's request head must fit.",
  },
  {
    key: 'runner.client_maxconn',
    type: 'integer',
    range: [1, 100_000_000],
    shipped: '50000',
    meaning: USED,
    doc: 'Client connections, over all threads.',
  },
  {
    key: 'runner.allow_compression',
    type: 'boolean',
    shipped: 'false',
    meaning: USED,
    doc: 'Whether messages to and from WebSocket clients are compressed when the client offers permessage-deflate, and those to and from native WebSocket backends when the backend takes the offer of it.',
  },
  {
    key: 'runner.rundir',
    type: 'text',
    shipped: '',
    meaning: USED,
    doc: 'Old place of `rundir`; read when `[global]` has none.',
  },
  {
    key: 'runner.services',
    type: 'list',
    shipped: '',
    quiet: [
      'connmgr,proxy,handler',
      'condure,zurl,pushpin-proxy,pushpin-handler',
      'condure,pushpin-proxy,pushpin-handler',
    ],
    meaning: none(ONE_PROCESS),
    doc: "Pushpin's processes to start.",
  },
  ...['mongrel2', 'm2sh', 'zurl', 'condure', 'connmgr', 'm2adapter', 'proxy', 'handler'].map(
    (program) =>
      ({
        key: `runner.${program}_bin`,
        type: 'text',
        shipped: '',
        quiet: 'every',
        meaning: none(NO_PROGRAMS),
        doc: `Path of the program \`${program}\`.`,
      }) as const,
  ),
] as const satisfies readonly KeyRow[]
