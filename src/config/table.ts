/**
 * Every key of pushpin.conf in one table: type, default, range, documentation, and what it means here.
 * docs/CONFIG.md is checked against it, src/config/settings.ts reads it, config/pushpin.conf names every key that works.
 *
 * Two defaults. `shipped` is what config/pushpin.conf says, and what holds when there is no file at all. `absent` is
 * what holds when a file is read that does not name the key, where Pushpin then does something else (it opens no
 * publish port, for example); without it `shipped` holds.
 */
import { GLOBAL_KEYS } from './keys/global.js'
import { HANDLER_KEYS } from './keys/handler.js'
import { PROXY_KEYS } from './keys/proxy.js'
import { RUNNER_KEYS } from './keys/runner.js'
import type { KeyRow } from './keys/row.js'

const ALL = [...GLOBAL_KEYS, ...RUNNER_KEYS, ...PROXY_KEYS, ...HANDLER_KEYS] as const

type Row = (typeof ALL)[number]
/** Names whose values can be asked for with their type. */
export type KeyName = Row['key']
export type TypeOfKey<K extends KeyName> = Extract<Row, { readonly key: K }>['type']

export const KEYS: readonly KeyRow[] = ALL

/**
 * Keys of internal.conf, and their names in older versions: sockets between the processes of Pushpin. They are many,
 * nobody sets them, and all have the same fate, so they are one pattern and not rows.
 */
export const WIRING_KEYS =
  /^(?:proxy|handler)\.(?:(?:connmgr|condure|m2a|zurl|intreq|handler|proxy)_[a-z_]*specs?|intreq_[a-z_]*)$|^proxy\.(?:stats_spec|command_spec)$/
export const WIRING_BECAUSE = 'no sockets run between processes: there is one process'
