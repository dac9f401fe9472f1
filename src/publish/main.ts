#!/usr/bin/env node
/**
 * tackboard-publish: one item from the command line to a gateway, by HTTP or ZeroMQ.
 *
 * Exit codes: 0 published; 1 not published, and why; 2 wrong usage.
 */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { helpText, parsePublishArguments, type PublishArguments, usageText } from './arguments.js'
import { itemAsJson, itemAsTnetstring, makeItem } from './item.js'
import { publishByHttp } from './send-http.js'

const EXIT_FAILED = 1
const EXIT_USAGE = 2

async function main(): Promise<number> {
  const parsed = parsePublishArguments(process.argv.slice(2), process.env['GRIP_URL'])
  switch (parsed.kind) {
    case 'help':
      process.stdout.write(helpText())
      return 0
    case 'version':
      process.stdout.write(`tackboard-publish ${version()}\n`)
      return 0
    case 'fault':
      process.stderr.write(parsed.usage ? usageText(parsed.text) : `${parsed.text}\n`)
      return parsed.usage ? EXIT_USAGE : EXIT_FAILED
    case 'publish':
      try {
        await publish(parsed.arguments)
        process.stdout.write('Published\n')
        return 0
      } catch (error) {
        process.stderr.write(`Error: ${(error as Error).message}\n`)
        return EXIT_FAILED
      }
  }
}

async function publish(options: PublishArguments): Promise<void> {
  const item = makeItem(options)
  if (/^https?:/.test(options.spec)) return publishByHttp(options.spec, options.authorization, itemAsJson(item))
  // ZeroMQ takes a while to load, and most publish by HTTP.
  const { publishByZmq } = await import('./send-zmq.js')
  return publishByZmq(options.spec, itemAsTnetstring(item))
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return manifest.version
}

process.exitCode = await main()
