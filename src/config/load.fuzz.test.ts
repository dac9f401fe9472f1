/** Random files and command lines: never an exception, faults always with their place. */
import { expect, test } from 'vitest'
import { Prng } from '../base/prng.js'
import { describeFault } from './fault.js'
import { loadSettings } from './load.js'
import { KEYS } from './table.js'

const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
console.log(`FUZZ_SEED=${seed}`)

const VALUES = [
  ...['', ' ', '0', '1', '-1', '7999', '99999999999999999999', 'true', 'false', 'maybe', 'a,b', ',', '"', '"a', '\\'],
  ...['\\q', '\\x4', 'tcp://*:5560', 'tcp://[::1]:1', 'tcp://', 'ipc://{rundir}/x', '{libdir}{ipc_prefix}', '[::]:1'],
  ...['truncate:0,append', 'base64:!', 'file:x', '2,proxy:3', '/x?mode=9', ';', '#', 'é', '\0', '%', '$&', '=', '\r'],
]
const NOISE = ['[', ']', '[]', '[proxy', '[general]', 'x', '=', '=1', '# "', '; x', '\\', '\uFEFF', '']
const FLAGS = ['--config=/f', '--port=', '-port', '80', '--id=1', '--id', '--route=* test', '-m', '-x', '', '-', '--']

test('any file and any flags load or are faulty', () => {
  const prng = new Prng(seed)
  for (let round = 0; round < 500; round++) {
    let text = ''
    for (let count = prng.below(25); count > 0; count--) {
      const row = prng.pick(KEYS)
      const [section, key] = row.key.split('.') as [string, string]
      if (prng.happens(0.6)) text += `[${section}]\n`
      text += prng.happens(0.15)
        ? prng.pick(NOISE)
        : `${key}=${prng.pick(VALUES)}${prng.pick(['', '', prng.pick(VALUES)])}`
      text += prng.pick(['\n', '\n', '\r\n'])
    }
    const argv = ['--config=/f']
    for (let count = prng.below(4); count > 0; count--) argv.push(prng.pick(FLAGS))
    const { command, settings, faults, warnings, notices } = loadSettings({
      argv,
      readFile: () => text,
      list: () => [],
      exists: (path) => path === '/f' || prng.happens(0.5),
      cwd: '/',
      cores: 2,
    })
    if (command.kind !== 'run') continue
    expect(settings === null).toBe(faults.length > 0)
    const lineCount = text.split(/\r\n|\n|\r/).length
    for (const finding of [...faults, ...warnings, ...notices]) {
      if (finding.line !== null) expect(finding.line >= 1 && finding.line <= lineCount).toBe(true)
      expect(finding.file === null && finding.line !== null).toBe(false)
      expect(describeFault(finding)).not.toMatch(/undefined|NaN|\[object/)
    }
    for (const warning of warnings) expect(warning.line).not.toBeNull()
  }
})

test('a file cut anywhere keeps what its whole lines say', () => {
  const text =
    '[runner]\nhttp_port=1\nworkers=2 ; x\nlogdir="/a, b"\n[proxy]\nx_forwarded_for=truncate:1, \\\n  append\n'
  for (let cut = 0; cut <= text.length; cut++) {
    const part = text.slice(0, cut)
    const { settings, faults } = loadSettings({
      argv: ['--config=/f', '--port=7'],
      readFile: () => part,
      list: () => [],
      exists: () => true,
      cwd: '/',
      cores: 9,
    })
    const lastLine = part.split('\n').length
    for (const fault of faults) expect(fault.line === lastLine || fault.line === lastLine - 1).toBe(true)
    if (lastLine > 3 && faults.length === 0) expect(settings?.runner.workers).toBe(2)
  }
})
