/** Bare uWebSockets.js (../raw-server.ts): what Tackboard stands on, and so what it cannot beat. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Program } from '../program.js'
import { PROJECT_FOLDER } from '../project.js'
import { answers, nothingDropped, waitUntilReady } from './server.js'
import type { ServerKind } from './server.js'

const MAIN = join(PROJECT_FOLDER, 'dist/native-bench/raw-server.js')

export const uws: ServerKind = {
  name: 'uws',
  configuration: 'one thread, no backend: it holds, echoes and answers by itself; publishes come on a WebSocket',
  find() {
    if (!existsSync(MAIN)) return { missing: 'dist/native-bench/raw-server.js is not built' }
    const file = join(PROJECT_FOLDER, 'node_modules/uWebSockets.js/package.json')
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name: string; version: string }
    return { version: `${name} ${version}` }
  },
  async start({ ports }) {
    const port = await ports.take()
    const startedMs = performance.now()
    const program = new Program({ name: 'bare uWebSockets.js', command: [process.execPath, MAIN, String(port)] })
    program.keepOutput()
    const readyMs = await waitUntilReady(program, startedMs, () => answers(port, '/plain'))
    const client = `--port=${port}`
    return {
      program,
      readyMs,
      roles: {
        ws: [client],
        stream: [client],
        publish: ['--publish=ws', `--publish-port=${port}`],
        'publish-http': ['--publish=http', `--publish-port=${port}`],
        open: [client, '--path=/ws?channel=bench'],
        echo: [client, '--path=/echo'],
        plain: [client, '--path=/plain'],
      },
      dropped: nothingDropped,
      stop: () => program.stop(),
    }
  },
}
