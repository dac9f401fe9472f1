/**
 * What is used of undici, loaded by itself: 22 modules instead of 110. The rest (fetch, caches, cookies, mocks …) takes
 * every thread a tenth of a second to load, which is a third of what a shard loads at its start. The paths are not part of
 * undici's interface, so its version is pinned; whether they are right the first request of any test shows.
 */
import { createRequire } from 'node:module'
import type undici from 'undici'

const require = createRequire(import.meta.url)

export const Pool = require('undici/lib/dispatcher/pool.js') as typeof undici.Pool
export type Pool = undici.Pool

export const buildConnector = require('undici/lib/core/connect.js') as typeof undici.buildConnector
export type Connector = undici.buildConnector.connector
