/** Failures of the system in the words of pushpin-publish: `Connection refused (os error 111)`. */
import { getSystemErrorMap } from 'node:util'

export function systemErrorText(error: unknown): string {
  const { code, errno, message } = error as NodeJS.ErrnoException
  if (code === 'ENOTFOUND') return 'failed to lookup address information: Name or service not known'
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno)
  if (errno === undefined || known === undefined) return message
  const [, text] = known
  return `${text.charAt(0).toUpperCase()}${text.slice(1)} (os error ${String(-errno)})`
}
