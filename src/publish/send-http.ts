/**
 * Publishes by HTTP, with the bytes of pushpin-publish: a request in HTTP/1.0, on a socket of its own because node:http
 * speaks 1.1 only.
 */
import { readFileSync } from 'node:fs'
import net from 'node:net'
import process from 'node:process'
import tls from 'node:tls'
import { systemErrorText } from './errors.js'

interface Place {
  readonly isTls: boolean
  /** As written, with its port. */
  readonly authority: string
  readonly host: string
  readonly port: number
  readonly path: string
}

/** Where certificates of the system stand, unless SSL_CERT_FILE says something else. */
const SYSTEM_CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
/** A server that says nothing for so long will not answer. */
const SILENCE_MS = 60_000

/** Resolves when the item is published; rejects in words for the user. */
export async function publishByHttp(baseUrl: string, authorization: string | null, item: string): Promise<void> {
  const place = placeOf(baseUrl)
  if (place === null) throw new Error('invalid URL')
  if (authorization !== null && !place.isTls) throw new Error('Authentication requires https')
  const body = Buffer.from(`{"items":[${item}]}`)
  const lines = [
    `POST ${place.path}/publish/ HTTP/1.0`,
    `Host: ${place.authority}`,
    'Content-Type: application/json',
    `Content-Length: ${String(body.length)}`,
    ...(authorization === null ? [] : [`Authorization: ${authorization}`]),
  ]
  const answer = await exchange(place, Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]))
  const { status, text } = readAnswer(answer)
  if (status !== 200) throw new Error(text.trim())
}

/** `http[s]://host[:port][path]`, an IPv6 address in brackets. */
function placeOf(url: string): Place | null {
  const match = /^(https?):\/\/((\[[^\]]*\]|[^:/]*)(?::(\d{1,5}))?)(\/.*)?$/s.exec(url)
  if (match === null) return null
  const [, scheme, authority = '', host = '', port, path = ''] = match
  const isTls = scheme === 'https'
  const number = port === undefined ? (isTls ? 443 : 80) : Number(port)
  return number > 65_535 ? null : { isTls, authority, host: host.replace(/^\[(.*)\]$/, '$1'), port: number, path }
}

/** Everything that the server says until it ends the connection. */
function exchange(place: Place, request: Buffer): Promise<Buffer> {
  const { host, port } = place
  const socket = place.isTls
    ? tls.connect({ host, port, ca: certificates(), ...(net.isIP(host) === 0 ? { servername: host } : {}) })
    : net.connect({ host, port })
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    socket.setTimeout(SILENCE_MS, () => {
      socket.destroy(new Error(`no answer in ${String(SILENCE_MS / 1000)} seconds`))
    })
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.once('end', () => {
      resolve(Buffer.concat(chunks))
    })
    socket.once('error', (error) => {
      reject(new Error(systemErrorText(error), { cause: error }))
    })
    socket.once('close', () => {
      reject(new Error('unexpected end of file'))
    })
    socket.end(request)
  })
}

function certificates(): string[] {
  const own = process.env['SSL_CERT_FILE'] ?? SYSTEM_CERTIFICATES
  try {
    return [...tls.rootCertificates, readFileSync(own, 'utf8')]
  } catch (error) {
    if (process.env['SSL_CERT_FILE'] === undefined) return [...tls.rootCertificates]
    throw new Error(`can't read file ${own}: ${systemErrorText(error)}`, { cause: error })
  }
}

function readAnswer(answer: Buffer): { readonly status: number; readonly text: string } {
  const whole = answer.toString()
  const end = /\r?\n\r?\n/.exec(whole)
  if (end === null) throw new Error('unexpected end of file')
  const status = /^[^ \r\n]* (\d{1,5}) /.exec(whole)
  if (status === null) throw new Error('invalid data')
  return { status: Number(status[1]), text: whole.slice(end.index + end[0].length) }
}
