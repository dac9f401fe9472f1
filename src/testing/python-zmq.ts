/** A Python that has pyzmq, for clients written in another language; null where there is none. */
import { execFile, execFileSync } from 'node:child_process'

function findPython(): string | null {
  for (const python of ['python3', '/usr/bin/python3']) {
    try {
      execFileSync(python, ['-c', 'import zmq'], { stdio: 'ignore' })
      return python
    } catch {
      // Not this one.
    }
  }
  return null
}

export const PYTHON_WITH_ZMQ = findPython()

/** What a script prints. */
export function runPython(script: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(PYTHON_WITH_ZMQ ?? 'python3', ['-c', script, ...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${error.message}\n${stderr}`))
    })
  })
}
