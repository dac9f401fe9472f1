import { expect, test } from 'vitest'
import { loadSettings } from '../config/load.js'
import type { Settings } from '../config/types.js'
import { parseRoutes } from '../routing/routes.js'
import { bannerText } from './banner.js'

function bannerOf(conf: string, routes = '* test'): string {
  const { settings } = loadSettings({
    argv: ['--config=/pushpin.conf'],
    readFile: () => conf,
    list: () => [],
    exists: () => true,
    cwd: '/',
    cores: 1,
  })
  return bannerText(settings as Settings, 1, parseRoutes(routes, '/routes').table)
}

test('says where publishers post, and how to try it', () => {
  const banner = bannerOf('[runner]\nhttp_port=7999\n[handler]\npush_in_http_addr=127.0.0.1\npush_in_http_port=5561\n')
  expect(banner).toContain('  publish    http://127.0.0.1:5561/publish/ (also /metrics, /health)\n')
  expect(banner).toMatch(/^ {2}curl -d '.*' http:\/\/127\.0\.0\.1:5561\/publish\/$/m)
})

test('a file that names no port for them: it says so, and shows no request to it', () => {
  const banner = bannerOf('[runner]\nhttp_port=7999\n')
  expect(banner).toContain('  publish    off: no push_in_http_port\n')
  expect(banner).not.toContain(':0')
  expect(banner).not.toContain('curl -d')
  expect(banner).toContain('curl -N')
})

test.each([
  ['* demo', true],
  ['* localhost:3000', false],
  ['*,path_beg=/test test', false],
  ['*,path_beg=/ws localhost:3000,over_http\n* test', false],
  ['example.com localhost:3000\nlocalhost test', true],
])('with %j it shows lines to try: %j', (routes, isShown) => {
  const banner = bannerOf('[runner]\nhttp_port=7999\n[handler]\npush_in_http_port=5561\n', routes)
  expect(banner.includes('try:')).toBe(isShown)
  expect(banner).toContain('/publish/')
})
