/**
 * Where the programs of the peers are: in a Debian chroot at PEERS_ROOT (so that versions newer than the host's can be
 * used), or in PATH. A program of the chroot gets /proc and /dev in a mount namespace of its own, which ends with it.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export const PEERS_ROOT = process.env.PEERS_ROOT ?? '/opt/tackboard-peers'

const PROGRAM_FOLDERS = ['usr/sbin', 'usr/bin', 'usr/local/bin']
const ENTER = 'mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" && exec chroot "$@"'

export class Place {
  /** Null: the host itself. */
  readonly root: string | null

  constructor(root: string | null) {
    this.root = root
  }

  /** Where `program` is; null: nowhere. */
  static find(program: string): Place | null {
    if (PROGRAM_FOLDERS.some((folder) => isExecutable(join(PEERS_ROOT, folder, program)))) return new Place(PEERS_ROOT)
    const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
    return folders.some((folder) => isExecutable(join(folder, program))) ? new Place(null) : null
  }

  command(program: string, args: readonly string[]): string[] {
    if (this.root === null) return [program, ...args]
    return ['unshare', '--mount', 'sh', '-c', ENTER, 'sh', this.root, program, ...args]
  }

  /** First line of what `program` says, on either output. */
  version(program: string, arg: string): string {
    const [file = '', ...args] = this.root === null ? [program, arg] : ['chroot', this.root, program, arg]
    const text = execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', file, ...args], { encoding: 'utf8' })
    return (text.split('\n')[0] ?? '').trim()
  }

  /** A new folder for one run of a program. */
  folder(): RunFolder {
    const root = this.root ?? ''
    const base = root === '' ? tmpdir() : '/tmp'
    mkdirSync(root + base, { recursive: true })
    return new RunFolder(root, mkdtempSync(join(root + base, 'native-bench-')).slice(root.length))
  }
}

export class RunFolder {
  /** Its path as the program sees it. */
  readonly path: string
  readonly #root: string

  constructor(root: string, path: string) {
    this.#root = root
    this.path = path
  }

  /** Writes a file into it and returns its path as the program sees it. */
  write(name: string, text: string): string {
    writeFileSync(join(this.#root + this.path, name), text)
    return join(this.path, name)
  }

  remove(): void {
    rmSync(this.#root + this.path, { recursive: true, force: true })
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
