/**
 * Where the clients of a shard come in. One uWebSockets.js app serves plain ports and unix sockets, and one more each
 * TLS port, because the certificate of clients that name no host belongs to the port.
 *
 * Certificates cannot be exchanged inside an app: connections made with one would lose what routes their requests. So
 * new certificates get apps of their own, which listen before the old ones stop to. An old app keeps the connections
 * it has, and ends with the shard.
 */
import uWS from 'uWebSockets.js'
import type { CertificateFiles, Certificates, PortCertificates } from '../config/certificates.js'
import type { ListenAddress, LocalAddress } from '../config/types.js'
import { addressText } from '../config/values.js'
import type { TopicPublisher } from './fanout.js'

export interface ListenersOptions {
  readonly httpPorts: readonly ListenAddress[]
  /** For one shard only: a second listener would take the path away from the first. */
  readonly localPorts: readonly LocalAddress[]
  readonly certificates: Certificates
  /** Registers the handlers of the shard; with TLS once for each certificate. */
  attach(app: uWS.TemplatedApp, ssl: boolean): void
  /** A connection has come (1) or gone (-1). */
  admit(res: uWS.HttpResponse, change: number): void
}

export class Listeners implements TopicPublisher {
  readonly #options: ListenersOptions
  readonly #plain = uWS.App()
  readonly #apps = [this.#plain]
  readonly #doors: uWS.us_listen_socket[] = []
  #tlsDoors: uWS.us_listen_socket[] = []

  constructor(options: ListenersOptions) {
    this.#options = options
  }

  /** What fan-out publishes to: the one app itself where there is no other. */
  get topics(): TopicPublisher {
    return this.#options.certificates.ports.length === 0 ? this.#plain : this
  }

  publish(topic: string, message: Uint8Array, isBinary: boolean, compress: boolean): boolean {
    // Each app has topics of its own. One without a subscriber looks the topic up and does no more.
    for (const app of this.#apps) app.publish(topic, message, isBinary, compress)
    return true
  }

  /** Once. Throws when one cannot listen, naming its address. */
  open(): void {
    const { httpPorts, localPorts, certificates } = this.#options
    this.#attach(this.#plain, false)
    for (const address of httpPorts) this.#doors.push(listen(this.#plain, address))
    for (const { path } of localPorts) this.#doors.push(listenLocal(this.#plain, path))
    this.#tlsDoors = this.#openTls(certificates)
  }

  /** New connections get these. Throws when one cannot be used; then everything is as it was. */
  replaceCertificates(certificates: Certificates): void {
    const old = this.#tlsDoors
    this.#tlsDoors = [...old, ...this.#openTls(certificates)]
    // A door that closes resets whoever waits behind it. So that hardly anybody does, it closes when the loop has just
    // taken in those who waited: behind its next turn.
    setImmediate(() => {
      setImmediate(() => {
        for (const door of old.filter((each) => this.#tlsDoors.includes(each))) uWS.us_listen_socket_close(door)
        this.#tlsDoors = this.#tlsDoors.filter((each) => !old.includes(each))
      })
    })
  }

  /** No further connections; those that are there go on. */
  closeDoors(): void {
    for (const door of [...this.#doors.splice(0), ...this.#tlsDoors.splice(0)]) uWS.us_listen_socket_close(door)
  }

  /** Cuts all connections. */
  close(): void {
    this.closeDoors()
    for (const app of this.#apps) app.close()
  }

  #openTls(certificates: Certificates): uWS.us_listen_socket[] {
    const doors: uWS.us_listen_socket[] = []
    try {
      for (const port of certificates.ports) {
        const app = this.#tlsApp(port, certificates)
        doors.push(listen(app, port.address))
        this.#apps.push(app)
      }
    } catch (error) {
      for (const door of doors) uWS.us_listen_socket_close(door)
      throw error
    }
    return doors
  }

  #tlsApp({ fallback }: PortCertificates, { names }: Certificates): uWS.TemplatedApp {
    const app = uWS.SSLApp(fallback === null ? {} : appOptions(fallback))
    this.#attach(app, true)
    for (const { host, files } of names) {
      app.addServerName(host, appOptions(files))
      // Each certificate has a router of its own. (uWebSockets.js says on stdout that it has gone there.)
      app.domain(host)
      this.#options.attach(app, true)
    }
    return app
  }

  #attach(app: uWS.TemplatedApp, ssl: boolean): void {
    app.filter((res, change) => {
      this.#options.admit(res, Number(change))
    })
    this.#options.attach(app, ssl)
  }
}

function appOptions({ cert, key }: CertificateFiles): uWS.AppOptions {
  return { cert_file_name: cert, key_file_name: key }
}

function listen(app: uWS.TemplatedApp, address: ListenAddress): uWS.us_listen_socket {
  let door: uWS.us_listen_socket | false = false
  app.listen(address.host, address.port, (socket) => {
    door = socket
  })
  if (door === false) throw new Error(`cannot listen on ${addressText(address)}`)
  return door
}

function listenLocal(app: uWS.TemplatedApp, path: string): uWS.us_listen_socket {
  let door: uWS.us_listen_socket | false = false
  app.listen_unix((socket) => {
    door = socket
  }, path)
  if (door === false) throw new Error(`cannot listen on ${path}`)
  return door
}
