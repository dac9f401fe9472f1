/**
 * The backends of docs/examples as processes of their own, and a front that starts a new process for every request:
 * what a backend needs from one request to the next, it must not keep itself.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import { PROJECT_FOLDER } from './gateway.js'
import { type BackendCall, ScriptedBackend } from './scripted-backend.js'
import { Waiters, withDeadline } from './wait.js'

const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL')
})

export class ExampleBackend {
  readonly port: number
  readonly #child: ChildProcess
  readonly #output: { readonly text: string }

  private constructor(child: ChildProcess, port: number, output: { readonly text: string }) {
    this.#child = child
    this.port = port
    this.#output = output
  }

  /** `name`: a folder of docs/examples. Resolves when it says where it listens. */
  static async start(name: string, env: Readonly<Record<string, string>> = {}): Promise<ExampleBackend> {
    const child = spawn(process.execPath, [join(PROJECT_FOLDER, 'docs/examples', name, 'backend.js')], {
      env: { ...process.env, NODE_OPTIONS: '', PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    alive.add(child)
    child.once('exit', () => alive.delete(child))
    const waiters = new Waiters()
    const output = { text: '' }
    const collect = (text: string): void => {
      output.text += text
      waiters.changed()
    }
    child.stdout.setEncoding('utf8').on('data', collect)
    child.stderr.setEncoding('utf8').on('data', collect)
    child.once('exit', () => {
      waiters.fail(new Error(`the ${name} backend ended\n${output.text}`))
    })
    const listening = await waiters.until(
      () => /127\.0\.0\.1:(\d+)\//.exec(output.text) ?? undefined,
      () => `the ${name} backend says where it listens\n${output.text}`,
    )
    return new ExampleBackend(child, Number(listening[1]), output)
  }

  /** What it has printed. */
  get output(): string {
    return this.#output.text
  }

  /** As an operator ends it: it answers what it has, and exits with 0. */
  async stop(): Promise<void> {
    const exited = once(this.#child, 'exit') as Promise<[code: number | null]>
    this.#child.kill('SIGTERM')
    const [code] = await withDeadline(exited, () => `the backend ends after SIGTERM\n${this.output}`)
    if (code !== 0) throw new Error(`exit code ${code}\n${this.output}`)
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}

/** Records every request and hands it on to a process of the example. */
export class ExampleFront {
  readonly backend: ScriptedBackend
  readonly #start: () => Promise<ExampleBackend>
  readonly #isRestarting: boolean
  /** Ready for the next request. */
  #next: Promise<ExampleBackend>

  private constructor(backend: ScriptedBackend, start: () => Promise<ExampleBackend>, isRestarting: boolean) {
    this.backend = backend
    this.#start = start
    this.#isRestarting = isRestarting
    this.#next = start()
    backend.script = (call) => this.#forward(call)
  }

  /** `restarting`: each process answers one request. `env` is read when a process starts. */
  static async start(
    name: string,
    options: { readonly restarting: boolean; readonly env?: () => Readonly<Record<string, string>> },
  ): Promise<ExampleFront> {
    const backend = await ScriptedBackend.start(() => {})
    const start = (): Promise<ExampleBackend> => ExampleBackend.start(name, options.env?.() ?? {})
    return new ExampleFront(backend, start, options.restarting)
  }

  /** A new process for the requests to come. */
  async restart(): Promise<void> {
    const before = await this.#next
    await before.kill()
    this.#next = this.#start()
    await this.#next
  }

  async stop(): Promise<void> {
    await this.backend.stop()
    await (await this.#next).kill()
  }

  async #forward(call: BackendCall): Promise<void> {
    const process = this.#next
    if (this.#isRestarting) this.#next = this.#start()
    const { port } = await process
    const { method, url: path, rawHeaders, body } = call
    const request = http.request({ host: '127.0.0.1', port, method, path, headers: rawHeaders as string[] })
    request.end(body)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    if (this.#isRestarting) await (await process).kill()
    call.answer(response.statusCode ?? 500, response.rawHeaders.filter(isKept), Buffer.concat(chunks))
  }
}

/** Without the headers of the hop behind the front; node:http writes its own. */
function isKept(_text: string, index: number, raw: readonly string[]): boolean {
  const name = raw[index - (index % 2)] as string
  return !/^(connection|keep-alive|transfer-encoding|content-length|date)$/i.test(name)
}
