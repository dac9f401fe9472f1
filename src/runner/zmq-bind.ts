/** Binds ZeroMQ sockets where the settings say: the folder of an `ipc://` file is made, its mode bits are set. */
import { chmod, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What is used of a socket of zeromq.js. */
export interface Bindable {
  bind(spec: string): Promise<void>
  readonly lastEndpoint: string | null
}

/**
 * Resolves with the endpoint (a wildcard port is filled in). Rejects with an error that names the setting and the spec.
 * `ipcFileMode`: mode bits for the file of an `ipc://` spec, or null.
 */
export async function bindSocket(
  socket: Bindable,
  spec: string,
  setting: string,
  ipcFileMode: number | null,
): Promise<string> {
  // An abstract name (`ipc://@name`) is no file.
  const path = spec.startsWith('ipc://') && !spec.startsWith('ipc://@') ? spec.slice('ipc://'.length) : null
  try {
    if (path !== null) await mkdir(dirname(path), { recursive: true })
    await socket.bind(spec)
    if (path !== null && ipcFileMode !== null) await chmod(path, ipcFileMode)
  } catch (error) {
    throw new Error(`${setting}: cannot bind ${spec}: ${reasonOf(error)}`, { cause: error })
  }
  return socket.lastEndpoint ?? spec
}

/** zeromq.js puts libzmq's sentence into `message` and its name into `code`; fs does the like. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return code === undefined || message.includes(code) ? message : `${message} (${code})`
}
