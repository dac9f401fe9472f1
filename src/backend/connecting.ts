/** Connections to backends: what is the same for requests and WebSockets. */
import { readFileSync } from 'node:fs'
import type { Target } from '../routing/types.js'
import { POLICY_CODE } from './internal-addresses.js'
import { FailureKind } from './types.js'

/** A TCP or TLS connection that is not up after this long has failed. */
export const CONNECT_TIMEOUT_MS = 10_000

const NETWORK_ERRORS = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EMFILE'])

/** What kept a connection from being made. */
export function connectFailureKind(error: Error, ssl: boolean): FailureKind {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (code === POLICY_CODE) return FailureKind.Policy
  if (code === 'ECONNREFUSED') return FailureKind.Connect
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return FailureKind.ConnectTimeout
  return ssl && !NETWORK_ERRORS.has(code) ? FailureKind.Tls : FailureKind.Generic
}

export interface ClientCertificate {
  readonly cert?: Buffer
  readonly key?: Buffer
}

/** client_cert and client_key of a target, read now. Throws when a file cannot be read. */
export function clientCertificate(target: Target): ClientCertificate {
  return {
    ...(target.clientCert === null ? {} : { cert: readFileSync(target.clientCert) }),
    ...(target.clientKey === null ? {} : { key: readFileSync(target.clientKey) }),
  }
}
