/**
 * Certificates of TLS listeners (reference: TLS for clients): `<name>.crt`, a chain in PEM form, and `<name>.key` in
 * one folder. A client that names a host (SNI) gets the certificate called like it, else the one of the wildcard
 * (`_.example.com.crt` for `www.example.com`), else `default_<port>.crt`.
 *
 * Files are looked at here so that all faults are named at once; shards hand the paths to uWebSockets.js.
 */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import type { ListenAddress } from './types.js'

export interface CertificateFiles {
  /** Absolute paths. */
  readonly cert: string
  readonly key: string
}

export interface Certificates {
  readonly ports: readonly PortCertificates[]
  /** In the order of their names; the same for all ports. */
  readonly names: readonly NamedCertificate[]
}

export interface PortCertificates {
  readonly address: ListenAddress
  /** Null: clients that name no host, or an unknown one, are refused. */
  readonly fallback: CertificateFiles | null
}

export interface NamedCertificate {
  /** `www.example.com`, or `*.example.com` for hosts one label below. */
  readonly host: string
  readonly files: CertificateFiles
}

/** How files are reached; both throw when they cannot. */
export interface CertificateFolder {
  /** Names of the files in a folder. */
  list(folder: string): readonly string[]
  readFile(path: string): string
}

export interface FoundCertificates {
  readonly certificates: Certificates
  /** A port that can serve nobody, or not with the certificate that is there for it. */
  readonly faults: readonly string[]
  /** Certificates that are not used. */
  readonly warnings: readonly string[]
  /** What is as it may be, and worth knowing. */
  readonly notices: readonly string[]
  /** Of all that was read: another one means that something has changed. */
  readonly fingerprint: string
}

const DEFAULT = /^default_(\d+)$/

/** `folder`: absolute. Nothing is read when there is no port. */
export function findCertificates(
  folder: string,
  addresses: readonly ListenAddress[],
  files: CertificateFolder,
): FoundCertificates {
  return new Search(folder, files).find(addresses)
}

class Search {
  readonly #folder: string
  readonly #files: CertificateFolder
  readonly #faults: string[] = []
  readonly #warnings: string[] = []
  readonly #notices: string[] = []
  readonly #hash = createHash('sha256')

  constructor(folder: string, files: CertificateFolder) {
    this.#folder = folder
    this.#files = files
  }

  find(addresses: readonly ListenAddress[]): FoundCertificates {
    const listed = addresses.length === 0 ? null : this.#list()
    const certificates = listed === null ? { ports: [], names: [] } : this.#certificates(listed, addresses)
    return {
      certificates,
      faults: this.#faults,
      warnings: this.#warnings,
      notices: this.#notices,
      fingerprint: this.#hash.digest('base64'),
    }
  }

  #list(): readonly string[] | null {
    try {
      return this.#files.list(this.#folder)
    } catch (error) {
      this.#faults.push(`cannot read the folder of certificates: ${(error as Error).message}`)
      return null
    }
  }

  #certificates(listed: readonly string[], addresses: readonly ListenAddress[]): Certificates {
    const stems = listed.flatMap((name) => /^(.+)\.crt$/s.exec(name)?.[1] ?? []).sort()
    const names = stems.filter((stem) => !DEFAULT.test(stem)).flatMap((stem) => this.#named(stem))
    const ports = addresses.map((address) => {
      const fallback = `default_${String(address.port)}`
      if (stems.includes(fallback)) return { address, fallback: this.#pair(fallback, this.#faults) }
      const lacks = `no certificate for port ${String(address.port)}`
      const path = join(this.#folder, `${fallback}.crt`)
      if (names.length === 0) this.#faults.push(`${lacks}: expecting ${path} and its .key`)
      else this.#notices.push(`${lacks}: clients of hosts without one are refused; ${path} would serve them`)
      return { address, fallback: null }
    })
    return { ports, names }
  }

  #named(stem: string): NamedCertificate[] {
    if (stem !== stem.toLowerCase()) {
      this.#warnings.push(`${join(this.#folder, stem)}.crt is never used: write its name in lower case`)
      return []
    }
    const files = this.#pair(stem, this.#warnings)
    return files === null ? [] : [{ host: stem.replace(/^_(?=\.)/, '*'), files }]
  }

  /** Null: something is wrong with it, which has been added to `blame`. */
  #pair(stem: string, blame: string[]): CertificateFiles | null {
    const pair = { cert: join(this.#folder, `${stem}.crt`), key: join(this.#folder, `${stem}.key`) }
    try {
      const cert = this.#read(pair.cert)
      const key = this.#read(pair.key)
      const fault = pairFault(pair, cert, key)
      if (fault === null) return pair
      blame.push(fault)
    } catch (error) {
      blame.push(`certificate ${stem} cannot be used: ${(error as Error).message}`)
    }
    return null
  }

  #read(path: string): string {
    const text = this.#files.readFile(path)
    this.#hash.update(`${path}\0${text}\0`)
    return text
  }
}

function pairFault(pair: CertificateFiles, cert: string, key: string): string | null {
  const own = firstOfChain(cert)
  if (own === null) return `${pair.cert} holds no certificate in PEM form`
  const privateKey = privateKeyOf(key)
  if (typeof privateKey === 'string') return `${pair.key} ${privateKey}`
  return own.checkPrivateKey(privateKey) ? null : `${pair.key} is not the key of ${pair.cert}`
}

/** The server's own certificate; null: there is none, or one of the chain cannot be read. */
function firstOfChain(text: string): X509Certificate | null {
  const blocks = text.match(/-----BEGIN (?:X509 )?CERTIFICATE-----[^]*?-----END [^-]*-----/g) ?? []
  try {
    return blocks.map((block) => new X509Certificate(block))[0] ?? null
  } catch {
    return null
  }
}

/** Or what is wrong with it. */
function privateKeyOf(pem: string): KeyObject | string {
  // Pushpin asks for the passphrase at its terminal.
  if (pem.includes('ENCRYPTED')) {
    return 'is encrypted: there is no place for its passphrase, so store it without one'
  }
  try {
    return createPrivateKey(pem)
  } catch {
    return 'holds no private key in PEM form'
  }
}
