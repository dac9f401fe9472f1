/**
 * What a running gateway reads again: the routes file when it changes and at SIGHUP, certificates likewise, log files at
 * SIGHUP (which rotation has moved away). Nothing that is open is touched: a session keeps its route, a connection its
 * certificate.
 */
import { readdirSync, readFileSync, statSync, unwatchFile, watchFile } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { CERTIFICATES_LOOK_MS, ROUTES_LOOK_MS, ROUTES_SETTLE_MS } from '../base/limits.js'
import type { OpenLog } from '../base/log.js'
import { type Certificates, type FoundCertificates, findCertificates } from '../config/certificates.js'
import { describeFault } from '../config/fault.js'
import type { Settings } from '../config/types.js'
import { loadRoutes } from '../routing/load.js'

export interface ReloadingOptions {
  readonly settings: Settings
  /** What the gateway has been started with. */
  readonly routesText: string
  readonly certificates: FoundCertificates
  readonly opened: OpenLog
  /** Every shard is to have these from now on. */
  replaceRoutes(text: string): void
  replaceCertificates(certificates: Certificates): void
  reopenLogs(): void
}

export class Reloading {
  readonly #options: ReloadingOptions
  #routesText: string
  /** Of the certificates in use. */
  #fingerprint: string
  /** Sizes and times of the files of certificates when they were last looked at. */
  #stamp = ''
  #settling: NodeJS.Timeout | null = null
  #looking: NodeJS.Timeout | null = null
  #running = false

  constructor(options: ReloadingOptions) {
    this.#options = options
    this.#routesText = options.routesText
    this.#fingerprint = options.certificates.fingerprint
  }

  /** Call it when all shards serve. */
  start(): void {
    this.#running = true
    const { routesfile } = this.#options.settings.proxy
    if (routesfile !== null) {
      // Asks for the state of the file: that sees every way to replace it, on every file system.
      watchFile(routesfile, { interval: ROUTES_LOOK_MS, persistent: false }, () => {
        this.#routesChanged()
      })
      if (readText(routesfile) !== this.#routesText) this.#routesChanged()
    }
    if (this.#options.settings.runner.httpsPorts.length === 0) return
    this.#stamp = this.#certificateStamp()
    this.#looking = setInterval(() => {
      if (this.#certificateStamp() !== this.#stamp) this.#reloadCertificates()
    }, CERTIFICATES_LOOK_MS)
    this.#looking.unref()
  }

  stop(): void {
    this.#running = false
    const { routesfile } = this.#options.settings.proxy
    if (routesfile !== null) unwatchFile(routesfile)
    if (this.#settling !== null) clearTimeout(this.#settling)
    if (this.#looking !== null) clearInterval(this.#looking)
  }

  /** SIGHUP. */
  handleHangup(): void {
    const { opened, settings } = this.#options
    try {
      opened.reopen()
      this.#options.reopenLogs()
    } catch (error) {
      opened.log.error((error as Error).message)
    }
    opened.log.info('SIGHUP: reloading')
    if (!this.#running) return
    if (settings.proxy.routesfile !== null) this.#reloadRoutes(settings.proxy.routesfile)
    if (settings.runner.httpsPorts.length > 0) this.#reloadCertificates()
  }

  /** Whoever writes the file may need several writes: they get a second. */
  #routesChanged(): void {
    if (this.#settling !== null) return
    this.#options.opened.log.info('routes file changed, reloading')
    this.#settling = setTimeout(() => {
      this.#settling = null
      this.#reloadRoutes(this.#options.settings.proxy.routesfile as string)
    }, ROUTES_SETTLE_MS)
  }

  #reloadRoutes(routesfile: string): void {
    const { log } = this.#options.opened
    let text = ''
    const readFile = (path: string): string => (text = readFileSync(path, 'utf8'))
    const routes = loadRoutes({ routesfile, routeLines: [], cwd: process.cwd(), readFile })
    if (routes.unreadable !== null) {
      log.warn(`${routes.unreadable}; the routes stay as they are`)
      return
    }
    for (const fault of [...routes.faults, ...routes.warnings]) log.warn(describeFault(fault))
    this.#routesText = text
    this.#options.replaceRoutes(text)
    log.info(`routes loaded with ${String(routes.table.routes.length)} entries`)
  }

  /** With anything wrong among them all stay as they are: a half-written set would take certificates away from hosts. */
  #reloadCertificates(): void {
    const { settings, opened } = this.#options
    const { certsDir, httpsPorts } = settings.runner
    this.#stamp = this.#certificateStamp()
    const found = findCertificates(certsDir, httpsPorts, {
      list: (folder) => readdirSync(folder),
      readFile: (path) => readFileSync(path, 'utf8'),
    })
    if (found.fingerprint === this.#fingerprint) return
    const wrong = [...found.faults, ...found.warnings]
    for (const fault of wrong) opened.log.error(`certificates stay as they are: ${fault}`)
    if (wrong.length > 0) return
    this.#fingerprint = found.fingerprint
    this.#options.replaceCertificates(found.certificates)
    opened.log.info('certificates changed: new connections get the new ones')
  }

  #certificateStamp(): string {
    const { certsDir } = this.#options.settings.runner
    try {
      const names = readdirSync(certsDir).filter((name) => name.endsWith('.crt') || name.endsWith('.key'))
      const stamps = names.sort().map((name) => {
        const { ino, mtimeMs, size } = statSync(join(certsDir, name))
        return `${name} ${String(ino)} ${String(mtimeMs)} ${String(size)}`
      })
      return stamps.join('\n')
    } catch {
      // While files are being replaced; the next look finds them.
      return this.#stamp
    }
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
