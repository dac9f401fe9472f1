/** A section of a route line that names a target (reference: routes file, targets). */
import { byteStringOfText } from '../base/bytes.js'
import { LineFault, Props, type Warn } from './props.js'
import { TargetKind } from './types.js'
import type { Section } from './line.js'
import type { Target } from './types.js'
import { type ZhttpRoute, zhttpSpecFault } from './zhttp-spec.js'

export const TARGET_FLAGS = ['ssl', 'untrusted', 'trust_connect_host', 'insecure', 'over_http', 'one_event'] as const
export const TARGET_VALUES = [
  ...['host', 'sub', 'ipc_file_mode', 'client_cert', 'client_key'],
  ...['first_frame_delay', 'ping_interval', 'pong_timeout'],
] as const

/** Longer than any client takes to look at its first segment, shorter than anybody's patience. */
const FIRST_FRAME_DELAY_MS_MAX = 60_000
/** As for the settings of the same meaning. */
const HEARTBEAT_S_MAX = 86_400

/** Throws LineFault. */
export function targetOf(section: Section, warn: Warn): Target {
  const props = new Props(section.props, warn)
  props.check(TARGET_FLAGS, TARGET_VALUES)
  const address = addressOf(section.value)
  return Object.freeze({
    ...address,
    name: section.value,
    ssl: props.has('ssl'),
    untrusted: props.has('untrusted'),
    trustConnectHost: props.has('trust_connect_host'),
    insecure: props.has('insecure'),
    hostOverride: props.hostPort('host'),
    implicitChannels: Object.freeze(
      props
        .all('sub')
        .filter((channel) => channel !== '')
        .map(byteStringOfText),
    ),
    overHttp: props.has('over_http'),
    oneEvent: props.has('one_event'),
    ipcFileMode: ipcFileModeOf(props, warn),
    clientCert: props.text('client_cert'),
    clientKey: props.text('client_key'),
    firstFrameDelayMs: wholeNumberOf(props, 'first_frame_delay', FIRST_FRAME_DELAY_MS_MAX, 'milliseconds') ?? 0,
    pingIntervalS: wholeNumberOf(props, 'ping_interval', HEARTBEAT_S_MAX, 'seconds'),
    pongTimeoutS: wholeNumberOf(props, 'pong_timeout', HEARTBEAT_S_MAX, 'seconds'),
  })
}

type Address = Pick<Target, 'kind' | 'host' | 'port' | 'spec'>

function addressOf(value: string): Address {
  if (value === 'test') return { kind: TargetKind.Test, host: '', port: 0, spec: '' }
  if (value === 'demo') return { kind: TargetKind.Demo, host: '', port: 0, spec: '' }
  if (value.startsWith('zhttp/')) return zeroMqAddress(TargetKind.Zhttp, value.slice('zhttp/'.length))
  if (value.startsWith('zhttpreq/')) return zeroMqAddress(TargetKind.ZhttpReq, value.slice('zhttpreq/'.length))
  const match = value.startsWith('[') ? /^\[([^\]]+)\]:(.*)$/s.exec(value) : /^([^:]+):(.*)$/s.exec(value)
  if (match === null) throw new LineFault('target bad format')
  const [, host, digits] = match as unknown as [string, string, string]
  if (!/^\s*\+?\d{1,9}\s*$/.test(digits)) throw new LineFault('target invalid port')
  const port = Number(digits)
  if (port < 1 || port > 65_535) throw new LineFault('target invalid port')
  return { kind: TargetKind.Http, host, port, spec: '' }
}

function zeroMqAddress(kind: ZhttpRoute['kind'], spec: string): Address {
  const fault = zhttpSpecFault(kind, spec)
  if (fault !== null) throw new LineFault(fault === 'port' ? 'target invalid port' : 'target bad format')
  return { kind, host: '', port: 0, spec }
}

function ipcFileModeOf(props: Props, warn: Warn): number | null {
  const text = props.text('ipc_file_mode')
  if (text === null) return null
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8)
  warn(`ipc_file_mode has no effect: expecting octal permissions: ${text}`)
  return null
}

function wholeNumberOf(props: Props, name: string, most: number, unit: string): number | null {
  const text = props.text(name)
  if (text === null) return null
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (number <= most) return number
  throw new LineFault(`${name} must be between 0 and ${most} ${unit}`)
}
