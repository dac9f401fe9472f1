import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { describe, expect, test } from 'vitest'
import { describeFault } from './fault.js'
import { DEFAULT_FILES } from '../testing/tls-files.js'
import { loadSettings } from './load.js'
import { KEYS } from './table.js'
import type { Loaded } from './load.js'
import type { Settings } from './types.js'

const CONF = '/etc/gw/pushpin.conf'

/** What is there besides the files of a test. */
const SURROUNDINGS = {
  '/etc/passwd': 'u:x:5:6::/:/bin/sh\n',
  '/etc/group': 'g:x:8:u\n',
  '/etc/gw/runner/certs/default_443.crt': DEFAULT_FILES.cert,
  '/etc/gw/runner/certs/default_443.key': DEFAULT_FILES.key,
}

function load(ofTest: Record<string, string>, ...argv: string[]): Loaded {
  const files: Record<string, string> = { ...SURROUNDINGS, ...ofTest }
  const readFile = (path: string): string => {
    const text = files[path]
    if (text === undefined || text === 'UNREADABLE') throw new Error(`EACCES: permission denied`)
    return text
  }
  const list = (folder: string): string[] =>
    Object.keys(files)
      .filter((path) => dirname(path) === folder)
      .map((path) => basename(path))
  return loadSettings({ argv, readFile, list, exists: (path) => path in files, cwd: '/home/me', cores: 3 })
}

function settingsOf(text: string, ...argv: string[]): Settings {
  const { settings, faults } = load({ [CONF]: `[runner]\nhttp_port=7999\n${text}` }, `--config=${CONF}`, ...argv)
  expect(faults).toEqual([])
  return settings as Settings
}

function faultsOf(text: string, ...argv: string[]): string[] {
  const { settings, faults } = load({ [CONF]: `[runner]\nhttp_port=7999\n${text}` }, `--config=${CONF}`, ...argv)
  expect(settings).toBeNull()
  return faults.map(describeFault)
}

describe('defaults', () => {
  test('the shipped file loads without a word, and says what holds without a file', () => {
    const text = readFileSync(new URL('../../config/pushpin.conf', import.meta.url), 'utf8')
    const shipped = load({ [CONF]: text }, '--config', CONF)
    expect([shipped.faults, shipped.warnings, shipped.notices]).toEqual([[], [], []])
    const without = load({}, '--routes=/etc/gw/routes')
    expect([without.faults, without.settings?.file]).toEqual([[], null])
    const runner = { ...without.settings?.runner, certsDir: '/etc/gw/runner/certs' }
    expect(shipped.settings).toEqual({ ...without.settings, runner, file: CONF })
  })

  test('the shipped file says of which keys this version makes nothing yet', () => {
    const text = readFileSync(new URL('../../config/pushpin.conf', import.meta.url), 'utf8')
    const said: string[] = []
    let section = ''
    for (const paragraph of text.split('\n\n')) {
      section = /^\[(.*)\]$/m.exec(paragraph)?.[1] ?? section
      if (!paragraph.includes('(not in this version yet)')) continue
      for (const [, key = ''] of paragraph.matchAll(/^#?([a-z_]+)=/gm)) said.push(`${section}.${key}`)
    }
    const unmade = KEYS.filter((row) => row.meaning.kind === 'not yet').map(({ key }) => key)
    expect(said.sort()).toEqual(unmade.sort())
  })

  test('the shipped file names every key that has a meaning', () => {
    const text = readFileSync(new URL('../../config/pushpin.conf', import.meta.url), 'utf8')
    const oldPlaces = new Set(['runner.rundir', 'handler.push_in_sub_spec', 'global.libdir'])
    let section = ''
    const named = new Set<string>()
    for (const line of text.split('\n')) {
      section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section
      const key = /^#?(\w+)=/.exec(line)?.[1]
      if (key !== undefined) named.add(`${section}.${key}`)
    }
    const meant = KEYS.filter((row) => row.meaning.kind !== 'none' && !oldPlaces.has(row.key)).map((row) => row.key)
    expect([...named].sort()).toEqual(meant.sort())
  })

  test('what a file does not name is what Pushpin does then', () => {
    expect(settingsOf('')).toMatchObject({
      proxy: { sigKey: '', sigIss: 'pushpin', setXForwardedProtocol: 'false', routesfile: '/etc/gw/routes' },
      handler: {
        pushInSpecs: [],
        pushInSubSpecs: [],
        pushInHttpPort: 0,
        commandSpec: '',
        statsSpec: '',
        idCacheTtl: 0,
      },
    })
  })

  test('every default in the table is a good value', () => {
    expect(load({}, '--route=* test').faults).toEqual([])
    expect(load({ [CONF]: '' }, '--config', CONF, '--port=1').faults).toEqual([])
  })

  test('settings are frozen through and through, and cross a structured clone', () => {
    const settings = settingsOf('[handler]\npush_in_spec=tcp://*:1')
    for (const part of [settings, settings.runner, settings.runner.httpPorts, settings.runner.httpPorts[0]]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
    expect(structuredClone(settings)).toEqual(settings)
  })
})

describe('values', () => {
  test.each<[string, unknown]>([
    ['[global]\nrundir=x', { global: { rundir: '/home/me/x' } }],
    ['rundir=/run/gw', { global: { rundir: '/run/gw' } }],
    [
      '[runner]\nhttp_port=80, 127.0.0.1:81,[::]:82',
      { runner: { httpPorts: [{ port: 80 }, { host: '127.0.0.1' }, {}] } },
    ],
    ['workers=2', { runner: { workers: 2 } }],
    ['workers=0', { runner: { workers: 3 } }],
    ['logdir=logs', { runner: { logdir: '/home/me/logs', logFilePrefix: '' } }],
    ['logdir=', { runner: { logdir: null } }],
    ['log_level=2,connmgr:4', { runner: { logLevel: 2 } }],
    ['client_maxconn=', { runner: { clientMaxconn: 50000 } }],
    [
      'local_ports=/run/a%2Cb?mode=660&user=u&group=7,b',
      {
        runner: {
          localPorts: [
            { path: '/run/a,b', mode: 0o660, uid: 5, gid: 7 },
            { path: '/home/me/b', mode: null, uid: null, gid: null },
          ],
        },
      },
    ],
    ['[proxy]\nroutesfile=/r', { proxy: { routesfile: '/r' } }],
    ['[proxy]\nroutesfile=sub/r', { proxy: { routesfile: '/etc/gw/sub/r' } }],
    ['[proxy]\ndebug=TRUE', { proxy: { debug: true } }],
    ['[proxy]\ndebug=', { proxy: { debug: false } }],
    ['[proxy]\nset_x_forwarded_protocol=', { proxy: { setXForwardedProtocol: 'false' } }],
    ['[proxy]\nset_x_forwarded_protocol=true', { proxy: { setXForwardedProtocol: 'true' } }],
    ['[proxy]\nx_forwarded_for=truncate:0,append', { proxy: { xForwardedFor: { truncate: 0, append: true } } }],
    ['[proxy]\nx_forwarded_for_trusted=append', { proxy: { xForwardedForTrusted: { truncate: null, append: true } } }],
    ['[proxy]\norig_headers_need_mark=a, ,b', { proxy: { origHeadersNeedMark: ['a', 'b'] } }],
    ['[proxy]\ncdn_loop=é', { proxy: { cdnLoop: 'Ã©' } }],
    ['[proxy]\nsig_key="a, b"', { proxy: { sigKey: 'a, b' } }],
    ['[proxy]\nsig_key=file:k.pem', { proxy: { sigKey: 'file:/etc/gw/k.pem' } }],
    ['[proxy]\nupstream_key=base64:AA==', { proxy: { upstreamKey: 'base64:AA==' } }],
    ['[handler]\nipc_file_mode=770', { handler: { ipcFileMode: 0o770 } }],
    ['[handler]\npush_in_spec=tcp://*:5560', { handler: { pushInSpecs: ['tcp://*:5560'] } }],
    [
      '[handler]\npush_in_sub_specs=tcp://a:1,ipc:///b\npush_in_sub_spec=tcp://c:2',
      { handler: { pushInSubSpecs: ['tcp://a:1', 'ipc:///b', 'tcp://c:2'] } },
    ],
    ['[handler]\npush_in_http_addr=', { handler: { pushInHttpAddr: '127.0.0.1' } }],
    ['[handler]\nstats_format=json', { handler: { statsFormat: 'json' } }],
    ['[handler]\nmessage_rate=2500', { handler: { messageRate: 2500 } }],
    ['[handler]\nprometheus_port=127.0.0.1:9000', { handler: { prometheusPort: '127.0.0.1:9000' } }],
    ['[proxy]\nprometheus_port=ipc:///run/p', { proxy: { prometheusPort: 'ipc:///run/p' } }],
  ])('%j', (text, expected) => {
    expect(settingsOf(text)).toMatchObject(expected as object)
  })

  test('variables are put into values, also into those of other sections', () => {
    const text = '[global]\nrundir=/r\nipc_prefix=q-\n[handler]\nstats_spec=ipc://{rundir}/{ipc_prefix}s'
    expect(settingsOf(text).handler.statsSpec).toBe('ipc:///r/q-s')
  })

  test('rundir in [runner] counts when [global] has none', () => {
    const { settings, notices } = load({ [CONF]: '[runner]\nrundir=/old\nhttp_port=1' }, '--config', CONF)
    expect(settings?.global.rundir).toBe('/old')
    expect(notices.map(describeFault)).toEqual([
      `${CONF}:2: runner.rundir: rundir in [runner] section is deprecated. put in [global]`,
    ])
    expect(settingsOf('rundir=/old\n[global]\nrundir=/new').global.rundir).toBe('/new')
  })

  test('port_offset moves tcp:// ports and the HTTP port, not those of clients', () => {
    const text =
      '[global]\nport_offset=100\n[handler]\npush_in_spec=tcp://[::1]:5560\npush_in_http_port=5561\n' +
      'push_in_sub_specs=tcp://*:5562,tcp://h:7,ipc://x:9'
    const { runner, handler } = settingsOf(text)
    expect(runner.httpPorts).toEqual([{ host: '0.0.0.0', port: 7999 }])
    expect(handler).toMatchObject({ pushInSpecs: ['tcp://[::1]:5660'], pushInHttpPort: 5661 })
    expect(handler.pushInSubSpecs).toEqual(['tcp://*:5662', 'tcp://h:107', 'ipc://x:9'])
  })

  test('a port that is off stays off', () => {
    expect(settingsOf('[global]\nport_offset=9\n[handler]\npush_in_http_port=0').handler.pushInHttpPort).toBe(0)
  })
})

describe('flags win', () => {
  const text = 'https_ports=443\nlocal_ports=/x\nlogdir=/logs\nworkers=2\nlog_level=1\n[proxy]\nroutesfile=r\n'
  test.each<[string[], unknown]>([
    [['--port=81'], { runner: { httpPorts: [{ host: '0.0.0.0', port: 81 }], httpsPorts: [], localPorts: [] } }],
    [['-m'], { runner: { logdir: null } }],
    [['--logfile=l'], { runner: { logfile: '/home/me/l' } }],
    [['--loglevel=4'], { runner: { logLevel: 4 } }],
    [['--workers=0'], { runner: { workers: 3 } }],
    [['--routes=s'], { proxy: { routesfile: '/home/me/s' } }],
    [['--route=* test'], { proxy: { routesfile: null, routeLines: ['* test'] } }],
  ])('%j', (argv, expected) => {
    expect(settingsOf(text, ...argv)).toMatchObject(expected as object)
  })

  test('--id: ipc prefix, ten ports further, and the name of the log file', () => {
    const conf =
      'logdir=/l\n[global]\nport_offset=3\nipc_prefix=x-\n[handler]\nstats_spec=ipc://r/{ipc_prefix}s\npush_in_spec=tcp://*:5560\npush_in_http_port=5561'
    expect(settingsOf(conf, '--id=2')).toMatchObject({
      global: { ipcPrefix: 'p2-', portOffset: 20 },
      runner: { logFilePrefix: 'p2-', httpPorts: [{ port: 7999 }] },
      handler: { pushInSpecs: ['tcp://*:5580'], pushInHttpPort: 5581, statsSpec: 'ipc://r/p2-s' },
    })
    expect(settingsOf(conf, '--id=0').global).toMatchObject({ ipcPrefix: 'p0-', portOffset: 3 })
  })
})

describe('finding the file', () => {
  const CONFIG = '[runner]\nhttp_port=1'
  test.each([
    ['/home/me/config/pushpin.conf', []],
    ['/home/me/pushpin.conf', []],
    ['/home/me/examples/config/pushpin.conf', []],
    ['/etc/pushpin/pushpin.conf', []],
    ['/home/me/mine', ['--config=mine']],
    ['/elsewhere/mine', ['--config=/elsewhere/mine']],
  ])('%s', (path, argv) => {
    expect(load({ [path]: CONFIG }, ...argv).settings?.file).toBe(path)
  })

  test('the first one found counts', () => {
    const files = { '/home/me/pushpin.conf': CONFIG, '/etc/pushpin/pushpin.conf': CONFIG }
    expect(load(files).settings?.file).toBe('/home/me/pushpin.conf')
  })

  test('none found', () => {
    const searched = ['config', '', 'examples/config'].map((part) => `/home/me/${part}/pushpin.conf`.replace('//', '/'))
    const text = `no configuration file found. Tried: ${searched.join(' ')} /etc/pushpin/pushpin.conf`
    expect(load({}).faults.map(describeFault)).toEqual([text])
    expect(load({}, '--config=x', '--route=* test').faults.map(describeFault)).toEqual([
      'no configuration file found. Tried: x',
    ])
  })

  test('not readable', () => {
    const [fault] = load({ [CONF]: 'UNREADABLE' }, '--config', CONF, '--port=1').faults
    expect(describeFault(fault as never)).toBe(`${CONF}: failed to open ${CONF}: EACCES: permission denied`)
  })

  test('version and help look for no file', () => {
    expect(load({}, '--version')).toMatchObject({ command: { kind: 'version' }, settings: null, faults: [] })
    expect(load({}, '-h')).toMatchObject({ command: { kind: 'help' }, settings: null, faults: [] })
  })
})

describe('include', () => {
  const main = (include: string, rest = ''): string => `[global]\ninclude=${include}\n${rest}[runner]\nhttp_port=1\n`

  test.each(['{libdir}/internal.conf', 'internal.conf', '/usr/lib/pushpin/internal.conf'])(
    'a missing %s is no fault',
    (include) => {
      const { faults, warnings, notices } = load({ [CONF]: main(include) }, '--config', CONF)
      expect([faults, warnings, notices]).toEqual([[], [], []])
    },
  )

  test('any other missing file is one', () => {
    const { faults } = load({ [CONF]: main('more.conf') }, '--config', CONF)
    expect(faults.map(describeFault)).toEqual([`${CONF}:2: global.include: no such file: /etc/gw/more.conf`])
  })

  test('the values of the included file hold where the main file has none', () => {
    const more = '[runner]\nhttp_port=5\nworkers=2\n[proxy]\nfoo=1\ndebug=maybe\nhandler_inspect_spec=ipc://x\n'
    const loaded = load({ [CONF]: main('more.conf'), '/etc/gw/more.conf': more }, '--config', CONF)
    expect(loaded.faults.map(describeFault)).toEqual(['/etc/gw/more.conf:6: proxy.debug: expecting true or false'])
    expect(loaded.warnings.map(describeFault)).toEqual(['/etc/gw/more.conf:5: proxy.foo: unknown key'])
    expect(loaded.notices).toEqual([])
    const good = load(
      { [CONF]: main('more.conf'), '/etc/gw/more.conf': '[runner]\nhttp_port=5\nworkers=2' },
      '--config',
      CONF,
    )
    expect(good.settings?.runner).toMatchObject({ httpPorts: [{ port: 1 }], workers: 2 })
  })

  test('libdir and rundir may be used in the path', () => {
    const conf = main('{libdir}/a', 'libdir=/lib\n')
    expect(load({ [CONF]: conf, '/lib/a': '[runner]\nworkers=2' }, '--config', CONF).settings?.runner.workers).toBe(2)
  })
})

describe('faults', () => {
  test.each([
    ['http_port=x', 'runner.http_port: invalid http port: x'],
    ['https_ports=0', 'runner.https_ports: invalid https port: 0'],
    [
      'https_ports=443,444',
      'runner.https_ports: no certificate for port 444: expecting /etc/gw/runner/certs/default_444.crt and its .key',
    ],
    ['https_ports=443,443', 'runner.https_ports: named twice: 0.0.0.0:443'],
    ['http_port=1,[::1]:1,1', 'runner.http_port: named twice: 0.0.0.0:1'],
    ['local_ports=/x,/x?mode=600', 'runner.local_ports: named twice: /x'],
    ['local_ports=/x?user=nobody', 'runner.local_ports: no such user in /etc/passwd: nobody'],
    ['local_ports=/x?group=u', 'runner.local_ports: no such group in /etc/group: u'],
    [
      `local_ports=/${'x'.repeat(107)}`,
      `runner.local_ports: the path of a unix socket has at most 107 bytes: /${'x'.repeat(107)}`,
    ],
    ['local_ports=?mode=1', 'runner.local_ports: invalid local port: ?mode=1'],
    ['local_ports=/x?mode=9', 'runner.local_ports: invalid mode: 9'],
    ['log_level=', null],
    ['log_level=2,', 'runner.log_level: log level component cannot be empty'],
    ['log_level=-1', 'runner.log_level: log level must be greater than or equal to 0'],
    ['log_level=proxy:-1', 'runner.log_level: log level for service proxy must be greater than or equal to 0'],
    ['workers=1025', 'runner.workers: must be between 0 and 1024'],
    ['client_maxconn=many', 'runner.client_maxconn: expecting an integer'],
    ['client_maxconn=0', 'runner.client_maxconn: must be between 1 and 100000000'],
    ['client_maxconn=1,2', 'runner.client_maxconn: expecting an integer'],
    ['allow_compression=yes', 'runner.allow_compression: expecting true or false'],
    ['logdir=a,b', 'runner.logdir: the comma makes this a list: put the value in double quotes'],
    ['[proxy]\ndebug=off', 'proxy.debug: expecting true or false'],
    [
      '[proxy]\nset_x_forwarded_protocol=on',
      'proxy.set_x_forwarded_protocol: expecting one of true, proto-only, false',
    ],
    ['[proxy]\nx_forwarded_for=prepend', 'proxy.x_forwarded_for: expecting truncate:N or append: prepend'],
    ['[proxy]\nx_forwarded_for=truncate:x', 'proxy.x_forwarded_for: expecting truncate:N or append: truncate:x'],
    ['[proxy]\nsig_key=a,b', 'proxy.sig_key: the comma makes this a list: put the value in double quotes'],
    ['[proxy]\nsig_key=base64:?', 'proxy.sig_key: key is not valid base64'],
    ['[proxy]\nupstream_key=file:', 'proxy.upstream_key: key names no file'],
    ['[handler]\nipc_file_mode=8', 'handler.ipc_file_mode: invalid mode: 8'],
    ['[handler]\npush_in_spec=udp://x', 'handler.push_in_spec: expecting tcp://host:port or ipc://path: udp://x'],
    ['[handler]\npush_in_spec=inproc://x', 'handler.push_in_spec: expecting tcp://host:port or ipc://path: inproc://x'],
    ['[handler]\npush_in_spec=tcp://x:0', 'handler.push_in_spec: invalid port: tcp://x:0'],
    ['[handler]\nstats_format=xml', 'handler.stats_format: expecting one of tnetstring, json'],
    ['[handler]\nprometheus_port=x', 'handler.prometheus_port: expecting [addr:]port or ipc://path'],
    ['[handler]\ncommand_spec=tcp://a:1,tcp://b:2', 'handler.command_spec: expecting one end point'],
    ['[proxy]\nws_buffer_total_max=200000', 'proxy.ws_buffer_total_max: must not be less than ws_buffer_max'],
  ])('%j: %s', (text, message) => {
    if (message === null) {
      expect(settingsOf(text).runner.logLevel).toBe(2)
      return
    }
    const line = text.split('\n').length + 2
    expect(faultsOf(text)).toEqual([`${CONF}:${line}: ${message}`])
  })

  test('a port with TLS that is a port without it', () => {
    expect(faultsOf('https_ports=127.0.0.1:443,7999')).toContain(
      `${CONF}:3: runner.https_ports: named twice: 0.0.0.0:7999`,
    )
  })

  test('an offset that moves ports out of their range', () => {
    const text = '[global]\nport_offset=60000\n[handler]\npush_in_spec=tcp://*:5560\npush_in_http_port=5561'
    expect(faultsOf(text)).toEqual([
      `${CONF}:6: handler.push_in_spec: invalid port: tcp://*:65560`,
      `${CONF}:7: handler.push_in_http_port: port_offset moves it out of the range of ports`,
    ])
  })

  test('no listener', () => {
    const text = (conf: string): string[] => load({ [CONF]: conf }, '--config', CONF).faults.map(describeFault)
    expect(text('')).toEqual(['runner.http_port: no server ports configured'])
    expect(text('[runner]\nhttp_port=\n')).toEqual([`${CONF}:2: runner.http_port: no server ports configured`])
    expect(text('[runner]\nhttps_ports=443\n')).toEqual([])
    expect(text('[runner]\nlocal_ports=/x\n')).toEqual([])
  })

  test('all of flags and file at once, in order', () => {
    const loaded = load(
      { [CONF]: '[runner]\nworkers=x\nhttp_port=1\nstray\n[proxy]\ndebug=maybe\n' },
      `--config=${CONF}`,
      '--port=0',
      '--id=-1',
      '--check-config',
    )
    expect(loaded.command.kind).toBe('check')
    expect(loaded.settings).toBeNull()
    expect(loaded.faults.map(describeFault)).toEqual([
      '--port: port must be greater than or equal to 1',
      '--id: id must be greater than or equal to 0',
      `${CONF}:2: runner.workers: expecting an integer`,
      `${CONF}:4: expecting [section] or key=value`,
      `${CONF}:6: proxy.debug: expecting true or false`,
    ])
  })
})

describe('warnings and notices', () => {
  test('a certificate that is not used, and clients who get none', () => {
    const { warnings, notices, faults } = load(
      {
        [CONF]: '[runner]\nhttps_ports=444\n',
        '/etc/gw/runner/certs/a.test.crt': DEFAULT_FILES.cert,
        '/etc/gw/runner/certs/a.test.key': DEFAULT_FILES.key,
        '/etc/gw/runner/certs/b.test.crt': DEFAULT_FILES.cert,
      },
      `--config=${CONF}`,
    )
    expect(faults).toEqual([])
    expect(warnings.map(describeFault)).toEqual([
      `${CONF}:2: runner.https_ports: certificate b.test cannot be used: EACCES: permission denied`,
    ])
    expect(notices.map(describeFault)).toEqual([
      `${CONF}:2: runner.https_ports: no certificate for port 444: clients of hosts without one are refused; ` +
        '/etc/gw/runner/certs/default_444.crt would serve them',
    ])
  })

  function saidOf(text: string): { warnings: string[]; notices: string[] } {
    const { faults, warnings, notices } = load({ [CONF]: `[runner]\nhttp_port=1\n${text}` }, '--config', CONF)
    expect(faults).toEqual([])
    return { warnings: warnings.map(describeFault), notices: notices.map(describeFault) }
  }

  test('unknown keys, also in unknown sections and in none', () => {
    const { warnings } = load({ [CONF]: 'a=1\n[runner]\nhttp_port=1\nHTTP_PORT=2\n[prxy]\ndebug=x' }, '--config', CONF)
    expect(warnings.map(describeFault)).toEqual([
      `${CONF}:1: a: unknown key`,
      `${CONF}:4: runner.HTTP_PORT: unknown key`,
      `${CONF}:6: prxy.debug: unknown key`,
    ])
  })

  test('a key that is set twice: the last one counts', () => {
    expect(saidOf('workers=1\nworkers=2').warnings).toEqual([
      `${CONF}:3: runner.workers: has no effect: set again in line 4`,
    ])
    expect(settingsOf('workers=1\nworkers=2').runner.workers).toBe(2)
  })

  test.each([
    [
      '[handler]\nshare_all=true',
      'handler.share_all: has no meaning here because each client gets an answer that was made for its own request',
    ],
    [
      '[proxy]\nworkers=4',
      'proxy.workers: has no meaning here because the number of threads is `workers` in `[runner]`',
    ],
    [
      'services=connmgr,mongrel2',
      'runner.services: has no meaning here because there are no services to start: one process does the work of all of them',
    ],
    [
      '[proxy]\nconnmgr_in_specs=ipc://x',
      'proxy.connmgr_in_specs: has no meaning here because no sockets run between processes: there is one process',
    ],
  ])('%j: %s', (text, message) => {
    expect(saidOf(text)).toEqual({ warnings: [], notices: [`${CONF}:${text.split('\n').length + 2}: ${message}`] })
  })

  test('what Pushpin ships says nothing, whether it works or not', () => {
    const text = [
      'services=connmgr,proxy,handler\nlog_level=2\nallow_compression=false\nmongrel2_bin=mongrel2\nm2sh_bin=m2sh\nzurl_bin=zurl',
      '[global]\ninclude={libdir}/internal.conf\nstats_connection_ttl=120\nstats_connection_send=true',
      '[proxy]\nupdates_check=report\norganization_name=\nauto_cross_origin=false',
      'sockjs_url=http://cdn.jsdelivr.net/sockjs/0.3.4/sockjs.min.js',
      '[handler]\nstats_spec=ipc://{rundir}/{ipc_prefix}stats\ncommand_spec=tcp://127.0.0.1:5563',
      'message_rate=2500\nmessage_hwm=25000\nmessage_wait=5000\nid_cache_ttl=60\nupdate_on_first_subscription=true',
      'subscription_linger=60\nstats_subscription_ttl=60\nstats_report_interval=10\nstats_format=tnetstring',
    ].join('\n')
    expect(saidOf(text)).toEqual({ warnings: [], notices: [] })
  })
})
