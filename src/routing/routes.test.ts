import { describe, expect, test } from 'vitest'
import { loadRoutes } from './load.js'
import { parseRouteLine, parseRouteOptions, parseRoutes } from './routes.js'
import type { Route, Target } from './types.js'

const FILE = '/etc/tackboard/routes'

function routeOf(line: string): Route {
  const { route, fault, warnings } = parseRouteLine(line, { file: FILE, line: 1, directory: '/etc/tackboard' })
  expect(fault).toBeNull()
  expect(warnings).toEqual([])
  return route as Route
}

function targetOf(section: string): Target {
  return routeOf(`* ${section}`).targets[0] as Target
}

describe('what a line says', () => {
  test('a route with nothing but a target has every default', () => {
    expect(routeOf('* localhost:8000')).toEqual({
      id: '*,*,*,*',
      explicitId: false,
      domain: '*',
      proto: null,
      ssl: null,
      pathBeg: '',
      sigIss: null,
      sigKey: null,
      prefix: '',
      origHeaders: false,
      asHost: null,
      pathRem: 0,
      replaceBeg: null,
      debug: false,
      autoCrossOrigin: false,
      jsonpMode: 'extended',
      jsonpCallback: null,
      jsonpBody: null,
      jsonpDefaultCallback: null,
      jsonpDefaultMethod: null,
      session: false,
      sockjsPath: null,
      sockjsAsPath: null,
      headers: [],
      noGrip: false,
      logLevel: null,
      line: 1,
      targets: [
        {
          kind: 'http',
          name: 'localhost:8000',
          host: 'localhost',
          port: 8000,
          spec: '',
          ssl: false,
          untrusted: false,
          trustConnectHost: false,
          insecure: false,
          hostOverride: null,
          implicitChannels: [],
          overHttp: false,
          oneEvent: false,
          ipcFileMode: null,
          clientCert: null,
          clientKey: null,
          firstFrameDelayMs: 0,
          pingIntervalS: null,
          pongTimeoutS: null,
        },
      ],
    })
  })

  test.each<[string, Partial<Route>]>([
    ['', { domain: '*' }],
    [',proto=http', { proto: 'http', id: '*,http,*,*' }],
    [',proto=ws', { proto: 'ws', id: '*,ws,*,*' }],
    [',ssl=yes', { ssl: true, id: '*,*,no-ssl,*' }],
    [',ssl=no', { ssl: false, id: '*,*,ssl,*' }],
    [',path_beg=/a', { pathBeg: '/a', id: '*,*,*,/a' }],
    [',path_beg=/a,path_beg=/b', { pathBeg: '/b' }],
    [',id=one', { id: 'one', explicitId: true }],
    [',id=', { id: '*,*,*,*', explicitId: true }],
    [',id=é', { id: 'Ã©', explicitId: true }],
    [',sig_iss=me,sig_key=secret', { sigIss: 'me', sigKey: 'secret' }],
    [',sig_iss=,sig_key=', { sigIss: null, sigKey: null }],
    [',sig_key=base64:c2VjcmV0', { sigKey: 'base64:c2VjcmV0' }],
    [',sig_key=file:key.pem', { sigKey: 'file:/etc/tackboard/key.pem' }],
    [',sig_key=file:/k/key.pem', { sigKey: 'file:/k/key.pem' }],
    [',prefix=a-', { prefix: 'a-' }],
    [',prefix=ü', { prefix: 'Ã¼' }],
    [',orig_headers,debug,aco,session,no_grip', { origHeaders: true, debug: true, autoCrossOrigin: true }],
    [',session,no_grip', { session: true, noGrip: true }],
    [',as_host=Example.org', { asHost: { host: 'example.org', port: null } }],
    [',as_host=example.org:81', { asHost: { host: 'example.org', port: 81 } }],
    [',as_host=[::1]:90', { asHost: { host: '::1', port: 90 } }],
    [',as_host=', { asHost: null }],
    [',path_rem=4', { pathRem: 4, replaceBeg: null }],
    [',path_rem=-2', { pathRem: 0 }],
    [',path_beg=/foo,path_rem=1,replace_beg=/x', { pathRem: 4, replaceBeg: '/x' }],
    [',path_beg=/foo,replace_beg=', { pathRem: 4, replaceBeg: '' }],
    [',replace_beg="/a b?c%41é"', { replaceBeg: '/a%20b%3FcA%C3%A9' }],
    [',jsonp_mode=basic,jsonp_cb=cb,jsonp_body=b', { jsonpMode: 'basic', jsonpCallback: 'cb', jsonpBody: 'b' }],
    [',jsonp_defcb=f,jsonp_defmethod=PUT', { jsonpDefaultCallback: 'f', jsonpDefaultMethod: 'PUT' }],
    [',sockjs=/s,sockjs_as_path=/t', { sockjsPath: '/s', sockjsAsPath: '/t' }],
    [',header=x-a:1', { headers: [['x-a', '1']] }],
    [',header="x-a:  1 2 "', { headers: [['x-a', '1 2 ']] }],
    [',header=x-a:', { headers: [['x-a', '']] }],
    [
      ',header=x-a:1,header=x-b:2',
      {
        headers: [
          ['x-b', '2'],
          ['x-a', '1'],
        ],
      },
    ],
    [',log_level=3', { logLevel: 3 }],
    [',log_level=-1', { logLevel: null }],
  ])('condition *%s', (condition, expected) => {
    expect(routeOf(`*${condition} test`)).toMatchObject(expected)
  })

  test.each([
    ['example.org', 'example.org'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['*', '*'],
    ['id=x', ''],
    [',id=x', ''],
  ])('domain of %s', (condition, domain) => {
    expect(routeOf(`${condition} test`).domain).toBe(domain)
  })

  test.each<[string, Partial<Target>]>([
    ['test', { kind: 'test', name: 'test', host: '', port: 0 }],
    ['demo', { kind: 'demo', name: 'demo' }],
    ['10.0.0.1:80', { kind: 'http', host: '10.0.0.1', port: 80 }],
    ['[::1]:8080', { kind: 'http', host: '::1', port: 8080, name: '[::1]:8080' }],
    ['a:+80', { port: 80 }],
    ['a:0080', { port: 80 }],
    ['zhttp/ipc:///tmp/x', { kind: 'zhttp', spec: 'ipc:///tmp/x', host: '' }],
    ['zhttpreq/tcp://127.0.0.1:65535', { kind: 'zhttpreq' }],
    ['zhttp/tcp://127.0.0.1:65533', { kind: 'zhttp' }],
    ['zhttpreq/tcp://127.0.0.1:10000', { kind: 'zhttpreq', spec: 'tcp://127.0.0.1:10000' }],
    ['a:443,ssl,untrusted,trust_connect_host,insecure', { ssl: true, untrusted: true, trustConnectHost: true }],
    ['a:443,insecure', { insecure: true, ssl: false }],
    ['a:1,host=b.org:99', { hostOverride: { host: 'b.org', port: 99 }, name: 'a:1' }],
    ['a:1,sub=x,sub=,sub=ü', { implicitChannels: ['Ã¼', 'x'] }],
    ['a:1,over_http,one_event', { overHttp: true, oneEvent: true }],
    ['zhttp/ipc://x,ipc_file_mode=770', { ipcFileMode: 0o770 }],
    ['a:1,client_cert=c.pem,client_key=k.pem', { clientCert: 'c.pem', clientKey: 'k.pem' }],
    ['a:1,first_frame_delay=20', { firstFrameDelayMs: 20 }],
  ])('target %s', (section, expected) => {
    expect(targetOf(section)).toMatchObject(expected)
  })

  test('several targets stay in their order', () => {
    expect(routeOf('* a:1 test b:2,over_http').targets.map((target) => target.name)).toEqual(['a:1', 'test', 'b:2'])
  })

  test('routes are frozen through and through, and survive a structured clone', () => {
    const route = routeOf('*,header=a:b c:1,sub=d')
    expect(Object.isFrozen(route) && Object.isFrozen(route.targets) && Object.isFrozen(route.targets[0])).toBe(true)
    expect(Object.isFrozen(route.headers) && Object.isFrozen(route.headers[0])).toBe(true)
    expect(structuredClone(route)).toEqual(route)
  })
})

describe('faults', () => {
  test.each([
    ['a', 'must specify condition and at least one target'],
    ['a\ttest', 'must specify condition and at least one target'],
    ['a,proto=https test', "proto must be set to 'http' or 'ws'"],
    ['a,proto test', "proto must be set to 'http' or 'ws'"],
    ['a,ssl=true test', "ssl must be set to 'yes' or 'no'"],
    ['a,path_beg= test', 'path_beg cannot be empty'],
    ['a,path_beg test', 'path_beg cannot be empty'],
    ['a,jsonp_defmethod="A B" test', 'jsonp_defmethod is no method'],
    ['a,jsonp_mode=x test', "jsonp_mode must be set to 'basic' or 'extended'"],
    ['a,header=x test', "header must use format 'name:value'"],
    ['a,header=:x test', "header must use format 'name:value'"],
    ['a,header="x y:z" test', 'header has an invalid name: x y'],
    ['a,header=x:\u0001 test', 'header has an invalid value: x'],
    ['a,sig_key=base64:??? test', 'sig_key: key is not valid base64'],
    ['a,sig_key=base64: test', 'sig_key: key is not valid base64'],
    ['a,sig_key=file: test', 'sig_key: key names no file'],
    ['a,as_host="x y" test', 'as_host bad format'],
    ['a b:1,host=[::1', 'host bad format'],
    ['a foo', 'target bad format'],
    ['a [::1]', 'target bad format'],
    ['a :80', 'target bad format'],
    ['a zhttp/', 'target bad format'],
    ['a zhttpreq/', 'target bad format'],
    ['a zhttp/somewhere', 'target bad format'],
    ['a zhttpreq/ipc://', 'target bad format'],
    ['a zhttp/tcp://127.0.0.1', 'target invalid port'],
    ['a zhttpreq/tcp://127.0.0.1:x', 'target invalid port'],
    ['a zhttpreq/tcp://127.0.0.1:0', 'target invalid port'],
    ['a zhttp/tcp://127.0.0.1:65534', 'target invalid port'],
    ['a b:1 ,over_http', 'target bad format'],
    ['a foo:', 'target invalid port'],
    ['a foo:x', 'target invalid port'],
    ['a foo:0', 'target invalid port'],
    ['a foo:65536', 'target invalid port'],
    ['a [::1]:99999', 'target invalid port'],
    ['a foo:-1', 'target invalid port'],
    ['a ::1:80', 'target bad format'],
    ['a b:1,first_frame_delay=soon', 'first_frame_delay must be between 0 and 60000 milliseconds'],
    ['a b:1,first_frame_delay=60001', 'first_frame_delay must be between 0 and 60000 milliseconds'],
    ['a b:1,', 'expecting prop'],
  ])('%s: %s', (line, message) => {
    const text = `# first\n${line}\n* test\n`
    const { table, faults } = parseRoutes(text, FILE)
    expect(faults).toEqual([{ file: FILE, line: 2, message }])
    expect(table.routes.map((route) => route.line)).toEqual([3])
  })

  test('a second line with the same condition is skipped, whatever its id and targets', () => {
    const text = 'a,path_beg=/x,proto=ws b:1\r\na,proto=ws,path_beg=/x,id=z c:2\r\na,path_beg=/x c:2'
    const { table, faults } = parseRoutes(text, FILE)
    expect(faults).toEqual([{ file: FILE, line: 2, message: 'skipping duplicate condition' }])
    expect(table.routes.map((route) => route.line)).toEqual([1, 3])
    expect(table.byId('z')).toBeNull()
  })

  test('lines without a domain are never duplicates', () => {
    expect(parseRoutes('id=a b:1\nid=b b:1', FILE)).toMatchObject({ faults: [], table: { routes: [{}, {}] } })
  })

  test('blank lines, comments, a byte order mark and both line ends are no faults', () => {
    const { table, faults, warnings } = parseRoutes('\uFEFF* test\r\n\r\n  # x\n   \na b:1', FILE)
    expect([faults, warnings]).toEqual([[], []])
    expect(table.routes.map((route) => [route.domain, route.line])).toEqual([
      ['*', 1],
      ['a', 5],
    ])
  })
})

describe('warnings about lines that stay', () => {
  test.each([
    ['*,over_htp test', 'unknown option: over_htp'],
    ['* a:1,over_htp', 'unknown option: over_htp'],
    ['*,debug=false test', 'debug=false means on: debug counts when it is there'],
    ['* a:1,ssl=no', 'ssl=no means on: ssl counts when it is there'],
    ['Example.org test', 'domain is never matched: write it in lower case'],
    ['example.org:80 test', 'domain is never matched: write it without a port'],
    ['path_beg=/x test', 'route is never matched: it has no domain or id'],
    ['*,path_rem=x test', 'path_rem has no effect: expecting an integer: x'],
    ['*,as_host=a.org:x test', 'as_host: invalid port is left out: a.org:x'],
    ['* a:1,ipc_file_mode=9', 'ipc_file_mode has no effect: expecting octal permissions: 9'],
  ])('%s: %s', (line, message) => {
    const { table, faults, warnings } = parseRoutes(line, FILE)
    expect(faults).toEqual([])
    expect(warnings).toEqual([{ file: FILE, line: 1, message }])
    expect(table.routes).toHaveLength(1)
  })
})

describe('lines of --route', () => {
  test.each([
    ['', 'must specify condition and at least one target'],
    ['# x', 'must specify condition and at least one target'],
    ['path_beg=/x test', 'condition has no domain or id'],
    ['* nothing', 'target bad format'],
  ])('%j: %s', (line, message) => {
    const { table, faults } = parseRouteOptions(['a test', line], '/home/me')
    expect(faults).toEqual([{ file: '--route', line: 2, message }])
    expect(table.routes).toHaveLength(1)
  })

  test('key files are relative to the working directory', () => {
    const { table } = parseRouteOptions(['*,sig_key=file:k.pem test'], '/home/me')
    expect(table.routes[0]?.sigKey).toBe('file:/home/me/k.pem')
  })
})

describe('loading', () => {
  const readFile = (path: string): string => {
    if (path !== FILE) throw new Error('ENOENT')
    return '* test\nbad\n'
  }
  test('a file: bad lines do not forbid a start', () => {
    const loaded = loadRoutes({ routesfile: FILE, routeLines: [], cwd: '/', readFile })
    expect(loaded).toMatchObject({ unreadable: null, faultsAreFatal: false, faults: [{ line: 2 }] })
    expect(loaded.table.routes).toHaveLength(1)
  })
  test('a file that cannot be read', () => {
    const loaded = loadRoutes({ routesfile: '/none', routeLines: [], cwd: '/', readFile })
    expect(loaded).toMatchObject({ unreadable: 'unable to open routes file: /none (ENOENT)', faults: [] })
    expect(loaded.table.routes).toHaveLength(0)
  })
  test('lines of --route: faults are fatal', () => {
    const loaded = loadRoutes({ routesfile: null, routeLines: ['bad'], cwd: '/', readFile })
    expect(loaded).toMatchObject({ unreadable: null, faultsAreFatal: true, faults: [{ file: '--route', line: 1 }] })
  })
})
