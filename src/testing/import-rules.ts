/**
 * The house rules about imports, checked over source texts.
 *
 * A file's room is the first folder below src (`main.ts` is a room of its own). Rooms import in one direction; some
 * see only the types of others. The quiet rooms (wire, config, routing, grip) hold no clock, timer, promise or socket.
 * Files may depend on each other in a circle only by types. See docs/ARCHITECTURE.md.
 */
import { posix } from 'node:path'
import ts from 'typescript'

export interface SourceFile {
  /** Path below src, `/` between parts. */
  readonly path: string
  readonly text: string
}

export interface RuleViolation {
  readonly path: string
  /** From 1; 0 when the file as a whole is meant. */
  readonly line: number
  readonly message: string
}

interface RoomRule {
  /** Rooms whose values may be imported; its own room goes without saying. */
  readonly values: readonly string[]
  /** Rooms of which only types may be imported, and whatever stands in their types.ts: the constants that name them. */
  readonly types: readonly string[]
}

const BELOW_SHARD_AND_RUNNER = ['base', 'wire', 'config', 'routing', 'grip', 'backend', 'link']

export const ROOMS: Readonly<Record<string, RoomRule>> = {
  base: { values: [], types: [] },
  wire: { values: ['base'], types: [] },
  config: { values: ['base'], types: [] },
  routing: { values: ['base', 'wire'], types: [] },
  grip: { values: ['base', 'wire'], types: ['config', 'routing'] },
  backend: { values: ['base', 'wire'], types: ['routing'] },
  link: { values: ['base', 'wire'], types: ['config', 'routing'] },
  shard: { values: BELOW_SHARD_AND_RUNNER, types: [] },
  runner: { values: BELOW_SHARD_AND_RUNNER, types: [] },
  publish: { values: ['base', 'wire'], types: [] },
  main: { values: ['base', 'config', 'routing', 'runner'], types: [] },
  tools: { values: ['base', 'wire', 'config'], types: [] },
  testing: { values: [...BELOW_SHARD_AND_RUNNER, 'runner', 'shard', 'publish'], types: [] },
  bench: { values: [...BELOW_SHARD_AND_RUNNER, 'testing'], types: [] },
}

const QUIET_ROOMS = new Set(['wire', 'config', 'routing', 'grip'])

const QUIET_ROOMS_NEVER_IMPORT = new Set([
  ...['net', 'tls', 'http', 'https', 'http2', 'dgram', 'dns', 'timers', 'timers/promises', 'worker_threads'],
  ...['child_process', 'cluster', 'zeromq', 'undici', 'ws', 'uWebSockets.js', 'pino', 'prom-client', 'piscina'],
])

const QUIET_ROOMS_NEVER_MENTION = new Set([
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Promise'],
  ...['Date.now', 'performance.now', 'process.hrtime', 'process.nextTick'],
])

const VAGUE_NAMES = new Set(['util', 'utils', 'helper', 'helpers', 'common'])

/** All violations, in the order of the files. The list of files must be whole: circles are looked for in it. */
export function checkImportRules(files: readonly SourceFile[]): RuleViolation[] {
  const parsed = files.map(parse)
  return [...parsed.flatMap(checkFile), ...checkCircles(parsed)]
}

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
  readonly line: number
}

interface ParsedFile {
  readonly path: string
  readonly room: string
  readonly isTest: boolean
  readonly imports: readonly Import[]
  readonly mentions: readonly { readonly name: string; readonly line: number }[]
}

function parse({ path, text }: SourceFile): ParsedFile {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const lineOf = (node: ts.Node): number => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
  const imports: Import[] = []
  const mentions: { name: string; line: number }[] = []
  const visit = (node: ts.Node): void => {
    const found = importOf(node)
    if (found !== null) imports.push({ ...found, line: lineOf(node) })
    const name = mentionOf(node)
    if (name !== null) mentions.push({ name, line: lineOf(node) })
    ts.forEachChild(node, visit)
  }
  visit(source)
  return { path, room: roomOfPath(path), isTest: path.endsWith('.test.ts'), imports, mentions }
}

/**
 * `import { type A } from` is not type-only: verbatimModuleSyntax keeps the import for its side effects.
 */
function importOf(node: ts.Node): Omit<Import, 'line'> | null {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, typeOnly: node.importClause?.isTypeOnly ?? false }
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, typeOnly: node.isTypeOnly }
  }
  if (ts.isCallExpression(node) && isImportCall(node.expression)) {
    const argument = node.arguments[0]
    return argument !== undefined && ts.isStringLiteralLike(argument)
      ? { specifier: argument.text, typeOnly: false }
      : null
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
    return { specifier: node.argument.literal.text, typeOnly: true }
  }
  return null
}

function isImportCall(callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')
}

/** What of the world this node touches by name: comments and strings do not count. */
function mentionOf(node: ts.Node): string | null {
  if (ts.isPropertyAccessExpression(node)) return `${node.expression.getText()}.${node.name.text}`
  if (ts.isNewExpression(node) && (node.arguments?.length ?? 0) === 0) {
    return ts.isIdentifier(node.expression) && node.expression.text === 'Date' ? 'Date.now' : null
  }
  if (node.kind === ts.SyntaxKind.AsyncKeyword || node.kind === ts.SyntaxKind.AwaitKeyword) return 'Promise'
  if (ts.isAwaitExpression(node)) return 'Promise'
  if (!ts.isIdentifier(node)) return null
  const isMember = ts.isPropertyAccessExpression(node.parent) && node.parent.name === node
  return isMember ? null : node.text
}

function checkFile(file: ParsedFile): RuleViolation[] {
  const complain = (line: number, message: string): RuleViolation => ({ path: file.path, line, message })
  const rule = ROOMS[file.room]
  const violations = checkNames(file.path).map((message) => complain(0, message))
  if (rule === undefined) {
    // src/imports.test.ts and its like stand above the rooms.
    if (!(file.isTest && !file.path.includes('/'))) violations.push(complain(0, `unknown room ${file.room}`))
    return violations
  }
  for (const found of file.imports) {
    const message = checkImport(file, rule, found)
    if (message !== null) violations.push(complain(found.line, message))
  }
  if (QUIET_ROOMS.has(file.room) && !file.isTest) {
    for (const { name, line } of file.mentions) {
      if (QUIET_ROOMS_NEVER_MENTION.has(name)) violations.push(complain(line, `${file.room} must not use ${name}`))
    }
  }
  return violations
}

function checkNames(path: string): string[] {
  const parts = path.split('/').map((part) => part.replace(/\..*$/, ''))
  const vague = parts.filter((part) => VAGUE_NAMES.has(part)).map((part) => `the name ${part} says nothing`)
  return parts.at(-1) === 'index' ? [...vague, 'barrels hide where things come from: no index files'] : vague
}

function checkImport(file: ParsedFile, rule: RoomRule, found: Import): string | null {
  if (!found.specifier.startsWith('.')) {
    const name = found.specifier.replace(/^node:/, '')
    const forbidden = QUIET_ROOMS.has(file.room) && !file.isTest && QUIET_ROOMS_NEVER_IMPORT.has(name)
    return forbidden ? `${file.room} must not import ${found.specifier}` : null
  }
  const target = resolveImport(file.path, found.specifier)
  if (target.startsWith('..')) return `${found.specifier} leaves src`
  const room = roomOfPath(target)
  if (room === file.room || rule.values.includes(room)) return null
  if (rule.types.includes(room)) {
    return found.typeOnly || file.isTest || target === `${room}/types.ts`
      ? null
      : `${file.room} may import only types of ${room}`
  }
  if (file.isTest && room === 'testing') return null
  return `${file.room} must not import ${room}`
}

function resolveImport(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier)).replace(/\.js$/, '.ts')
}

function roomOfPath(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : path.slice(0, path.indexOf('.'))
}

/** Depth first, with the path that led here: each circle is reported once, at the file where it was closed. */
function checkCircles(files: readonly ParsedFile[]): RuleViolation[] {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const trail: string[] = []
  const violations: RuleViolation[] = []
  const visit = (file: ParsedFile): void => {
    trail.push(file.path)
    for (const found of file.imports) {
      if (found.typeOnly || !found.specifier.startsWith('.')) continue
      const target = byPath.get(resolveImport(file.path, found.specifier))
      if (target === undefined || done.has(target.path)) continue
      const start = trail.indexOf(target.path)
      if (start === -1) {
        visit(target)
      } else {
        const circle = [...trail.slice(start), target.path].join(' -> ')
        violations.push({ path: file.path, line: found.line, message: `imports in a circle: ${circle}` })
      }
    }
    trail.pop()
    done.add(file.path)
  }
  for (const file of files) if (!done.has(file.path)) visit(file)
  return violations
}
