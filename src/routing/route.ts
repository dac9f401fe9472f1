/** The sections of a line to a route (reference: routes file, condition). */
import { byteStringOfText } from '../base/bytes.js'
import { keySpecFault, resolveKeySpec } from '../base/key-spec.js'
import { encodePart } from './path.js'
import { LineFault, Props, type Warn } from './props.js'
import { WILDCARD_DOMAIN } from './table.js'
import { targetOf } from './target.js'
import type { Section } from './line.js'
import type { Route } from './types.js'

export const CONDITION_FLAGS = ['orig_headers', 'debug', 'aco', 'session', 'no_grip'] as const
export const CONDITION_VALUES = [
  ...['proto', 'ssl', 'id', 'path_beg', 'sig_iss', 'sig_key', 'prefix', 'as_host', 'path_rem', 'replace_beg'],
  ...['jsonp_mode', 'jsonp_cb', 'jsonp_body', 'jsonp_defcb', 'jsonp_defmethod', 'sockjs', 'sockjs_as_path'],
  ...['header', 'log_level'],
] as const

/** Header names and methods (RFC 9110 §5.6.2), and header values (§5.5), on byte strings. */
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
// eslint-disable-next-line no-control-regex -- control bytes are what must not be in a header
const CONTROL_BYTE = /[\x00-\x08\x0a-\x1f\x7f]/

export interface RoutePlace {
  /** Line of the routes text, from 1. */
  readonly line: number
  /** Where relative paths of key files begin. */
  readonly directory: string
}

/** Throws LineFault. */
export function routeOf(sections: readonly Section[], place: RoutePlace, warn: Warn): Route {
  const [condition, ...targets] = sections
  if (condition === undefined || targets.length === 0) {
    throw new LineFault('must specify condition and at least one target')
  }
  const props = new Props(condition.props, warn)
  props.check(CONDITION_FLAGS, CONDITION_VALUES)
  const matching = conditionOf(condition.value, props, warn)
  const id = props.text('id')
  const route = {
    id: id === null || id === '' ? idOfCondition(matching) : byteStringOfText(id),
    explicitId: id !== null,
    ...matching,
    ...signingOf(props, place.directory),
    ...rewritingOf(props, matching.pathBeg),
    ...jsonpOf(props),
    prefix: byteStringOfText(props.text('prefix') ?? ''),
    origHeaders: props.has('orig_headers'),
    debug: props.has('debug'),
    autoCrossOrigin: props.has('aco'),
    session: props.has('session'),
    sockjsPath: bytesOrNull(props.text('sockjs')),
    sockjsAsPath: props.has('sockjs_as_path')
      ? encodedPath(byteStringOfText(props.text('sockjs_as_path') ?? ''))
      : null,
    headers: Object.freeze(props.all('header').map(headerOf)),
    noGrip: props.has('no_grip'),
    logLevel: logLevelOf(props),
    targets: Object.freeze(targets.map((section) => targetOf(section, warn))),
    line: place.line,
  }
  return Object.freeze(route)
}

type Condition = Pick<Route, 'domain' | 'proto' | 'ssl' | 'pathBeg'>

function conditionOf(value: string, props: Props, warn: Warn): Condition {
  const domain = value.startsWith('[') && value.endsWith(']') ? value.slice(1, -1) : value
  const proto = props.text('proto')
  if (proto !== null && proto !== 'http' && proto !== 'ws') {
    throw new LineFault("proto must be set to 'http' or 'ws'")
  }
  const ssl = props.text('ssl')
  if (ssl !== null && ssl !== 'yes' && ssl !== 'no') throw new LineFault("ssl must be set to 'yes' or 'no'")
  const pathBeg = props.text('path_beg')
  if (pathBeg === '') throw new LineFault('path_beg cannot be empty')
  if (domain !== domain.toLowerCase()) warn('domain is never matched: write it in lower case')
  else if (/^[^:]*:\d*$/.test(domain)) warn('domain is never matched: write it without a port')
  else if (domain === '' && !props.has('id')) warn('route is never matched: it has no domain or id')
  return {
    domain,
    proto,
    ssl: ssl === null ? null : ssl === 'yes',
    pathBeg: byteStringOfText(pathBeg ?? ''),
  }
}

/** As Pushpin makes it: what is absent is `*`, and the names for ssl are the wrong way round. */
function idOfCondition(condition: Condition): string {
  const ssl = condition.ssl === null ? '*' : condition.ssl ? 'no-ssl' : 'ssl'
  const domain = byteStringOfText(condition.domain)
  return [domain || WILDCARD_DOMAIN, condition.proto ?? '*', ssl, condition.pathBeg || '*'].join(',')
}

function signingOf(props: Props, directory: string): Pick<Route, 'sigIss' | 'sigKey'> {
  const key = props.text('sig_key') || null
  const fault = key === null ? null : keySpecFault(key)
  if (fault !== null) throw new LineFault(`sig_key: ${fault}`)
  return { sigIss: props.text('sig_iss') || null, sigKey: key === null ? null : resolveKeySpec(key, directory) }
}

function rewritingOf(props: Props, pathBeg: string): Pick<Route, 'asHost' | 'pathRem' | 'replaceBeg'> {
  const replaceBeg = props.text('replace_beg')
  const pathRem = Math.max(props.integer('path_rem') ?? 0, 0)
  return {
    asHost: props.hostPort('as_host'),
    pathRem: replaceBeg === null ? pathRem : pathBeg.length,
    replaceBeg: replaceBeg === null ? null : encodedPath(byteStringOfText(replaceBeg)),
  }
}

/** It becomes a part of a path, so what begins a query or a fragment is encoded too. */
function encodedPath(path: string): string {
  return encodePart(path, false).replaceAll('?', '%3F')
}

type Jsonp = Pick<Route, 'jsonpMode' | 'jsonpCallback' | 'jsonpBody' | 'jsonpDefaultCallback' | 'jsonpDefaultMethod'>

function jsonpOf(props: Props): Jsonp {
  const jsonpMode = props.text('jsonp_mode') ?? 'extended'
  if (jsonpMode !== 'basic' && jsonpMode !== 'extended') {
    throw new LineFault("jsonp_mode must be set to 'basic' or 'extended'")
  }
  const jsonpDefaultMethod = bytesOrNull(props.text('jsonp_defmethod'))
  if (jsonpDefaultMethod !== null && jsonpDefaultMethod !== '' && !TOKEN.test(jsonpDefaultMethod)) {
    throw new LineFault('jsonp_defmethod is no method')
  }
  return {
    jsonpMode,
    jsonpCallback: bytesOrNull(props.text('jsonp_cb')),
    jsonpBody: bytesOrNull(props.text('jsonp_body')),
    jsonpDefaultCallback: bytesOrNull(props.text('jsonp_defcb')),
    jsonpDefaultMethod,
  }
}

function headerOf(text: string): readonly [name: string, value: string] {
  const bytes = byteStringOfText(text)
  const colon = bytes.indexOf(':')
  if (colon < 1) throw new LineFault("header must use format 'name:value'")
  const name = bytes.slice(0, colon)
  const value = bytes.slice(colon + 1).replace(/^ +/, '')
  if (!TOKEN.test(name)) throw new LineFault(`header has an invalid name: ${name}`)
  if (CONTROL_BYTE.test(value)) throw new LineFault(`header has an invalid value: ${name}`)
  return Object.freeze([name, value] as const)
}

function logLevelOf(props: Props): number | null {
  const level = props.integer('log_level')
  return level === null || level < 0 ? null : level
}

function bytesOrNull(text: string | null): string | null {
  return text === null ? null : byteStringOfText(text)
}
