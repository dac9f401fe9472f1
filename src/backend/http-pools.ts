/**
 * The connections to HTTP backends: one undici pool per origin and set of TLS options.
 *
 * A pool reads client_cert and client_key of its target when it is made. When the files have changed, another one takes
 * its place for new requests, and what is under way on the old one is finished there.
 */
import { createSecureContext } from 'node:tls'
import { type Connector, Pool, buildConnector } from './undici-parts.js'
import { BACKEND_HEAD_BYTES_MAX, STRANGER_POOLS_MAX } from '../base/limits.js'
import type { Target } from '../routing/types.js'
import { CONNECT_TIMEOUT_MS, type ClientCertificate, clientCertificate, connectFailureKind } from './connecting.js'
import { DIRECT_READS, readDirectly } from './direct-reads.js'
import { policyFault, policyOptions } from './internal-addresses.js'
import { FailureKind } from './types.js'
import type { BackendRequest } from './types.js'

/** What of the settings matters here (config/types.ts: Settings fits). Times in seconds. */
export interface BackendSettings {
  readonly proxy: {
    readonly backendTimeout: number
    readonly backendKeepAlive: number
    readonly backendConnectionsMax: number
  }
  readonly runner: { readonly clientBufferSize: number }
}

interface OpenPool {
  readonly pool: Pool
  readonly target: Target
  /** What stood in the files when it was made, or why they could not be read. */
  readonly certificate: ClientCertificate | Error
}

export class HttpPools {
  readonly #settings: BackendSettings
  readonly #pools = new Map<string, OpenPool>()
  /** Pool of a target seen before: spares building the key. Targets are frozen values that live with their table. */
  #poolOfTarget = new WeakMap<Target, Pool>()
  /** Of targets that are of no route, the one used last at the end. */
  readonly #strangers = new Map<string, Pool>()
  /** They finish what is under way, and take no more. */
  readonly #leaving = new Set<Pool>()

  constructor(settings: BackendSettings) {
    this.#settings = settings
  }

  poolFor({ target, isStranger }: BackendRequest): Pool {
    return isStranger === true ? this.#strangerPool(target) : this.#pool(target)
  }

  /**
   * Client certificates that have changed are for connections from now on. Those that cannot be used stay as they are;
   * what is wrong with them comes back, one text each.
   */
  reloadCertificates(): readonly string[] {
    const faults: string[] = []
    for (const [key, { pool, target, certificate: before }] of this.#pools) {
      if (target.clientCert === null && target.clientKey === null) continue
      const certificate = readCertificate(target)
      if (certificate instanceof Error) faults.push(`${target.name}: ${certificate.message}`)
      else if (!isSame(certificate, before)) {
        this.#pools.delete(key)
        this.#leave(pool)
        // Sessions keep their target for as long as they live.
        this.#poolOfTarget = new WeakMap()
      }
    }
    return faults
  }

  async close(): Promise<void> {
    const pools = [...this.#pools.values()].map(({ pool }) => pool)
    pools.push(...this.#strangers.values(), ...this.#leaving)
    this.#pools.clear()
    this.#strangers.clear()
    await Promise.all(pools.map((pool) => pool.destroy()))
  }

  #strangerPool(target: Target): Pool {
    const key = poolKey(target)
    const pool = this.#strangers.get(key) ?? makePool(target, this.#settings, NO_CERTIFICATE)
    this.#strangers.delete(key)
    this.#strangers.set(key, pool)
    if (this.#strangers.size > STRANGER_POOLS_MAX) {
      const [oldestKey, oldest] = this.#strangers.entries().next().value as [string, Pool]
      this.#strangers.delete(oldestKey)
      this.#leave(oldest)
    }
    return pool
  }

  #pool(target: Target): Pool {
    const known = this.#poolOfTarget.get(target)
    if (known !== undefined) return known
    const key = poolKey(target)
    let open = this.#pools.get(key)
    if (open === undefined) {
      const certificate = readCertificate(target)
      open = { pool: makePool(target, this.#settings, certificate), target, certificate }
      this.#pools.set(key, open)
    }
    this.#poolOfTarget.set(target, open.pool)
    return open.pool
  }

  #leave(pool: Pool): void {
    this.#leaving.add(pool)
    pool
      .close()
      .catch(() => {})
      .finally(() => this.#leaving.delete(pool))
  }
}

const NO_CERTIFICATE: ClientCertificate = {}

/** Checks that they can be used, so that a half-written file does not take the place of a good one. */
function readCertificate(target: Target): ClientCertificate | Error {
  if (target.clientCert === null && target.clientKey === null) return NO_CERTIFICATE
  try {
    const certificate = clientCertificate(target)
    createSecureContext(certificate)
    return certificate
  } catch (error) {
    return error as Error
  }
}

function isSame({ cert, key }: ClientCertificate, other: ClientCertificate | Error): boolean {
  if (other instanceof Error) return false
  return String(cert) === String(other.cert) && String(key) === String(other.key)
}

function poolKey(target: Target): string {
  const { host, port, ssl, untrusted, insecure, trustConnectHost, clientCert, clientKey } = target
  return JSON.stringify([host, port, ssl, untrusted, insecure, trustConnectHost, clientCert, clientKey])
}

function makePool(target: Target, settings: BackendSettings, certificate: ClientCertificate | Error): Pool {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  const { backendConnectionsMax, backendKeepAlive } = settings.proxy
  const keepAliveTimeoutMs = Math.max(backendKeepAlive * 1000, 1)
  return new Pool(`${target.ssl ? 'https' : 'http'}://${host}:${String(target.port)}`, {
    connections: backendConnectionsMax,
    pipelining: 1,
    keepAliveTimeout: keepAliveTimeoutMs,
    keepAliveMaxTimeout: keepAliveTimeoutMs,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: Math.max(BACKEND_HEAD_BYTES_MAX, settings.runner.clientBufferSize),
    connect: makeConnector(target, certificate),
  })
}

/** Errors while connecting get their class here, where TCP and TLS can still be told apart. */
export class ConnectError extends Error {
  readonly kind: FailureKind

  constructor(kind: FailureKind, cause: Error) {
    super(cause.message === '' ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : cause.message, { cause })
    this.kind = kind
  }
}

function makeConnector(target: Target, certificate: ClientCertificate | Error): Connector {
  const blocked = policyFault(target)
  if (blocked !== null) return failing(new ConnectError(FailureKind.Policy, blocked))
  let connect: Connector
  try {
    if (certificate instanceof Error) throw certificate
    connect = buildConnector({
      timeout: CONNECT_TIMEOUT_MS,
      ...(target.ssl ? { rejectUnauthorized: !target.insecure } : { onread: DIRECT_READS }),
      ...policyOptions(target),
      ...certificate,
    })
  } catch (error) {
    return failing(new ConnectError(FailureKind.Tls, error as Error))
  }
  return (options, callback) => {
    connect(options, (error: Error | null, socket) => {
      if (error === null) {
        if (!target.ssl) readDirectly(socket)
        callback(null, socket)
      } else callback(new ConnectError(connectFailureKind(error, target.ssl), error), null)
    })
  }
}

/** No connection is ever made. */
function failing(failure: ConnectError): Connector {
  return (_options, callback) => {
    setImmediate(() => {
      callback(failure, null)
    })
  }
}
