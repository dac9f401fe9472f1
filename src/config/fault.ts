/**
 * What is wrong, or worth saying, about the configuration: one value per finding, so that all of them are reported
 * at once and with their place.
 */

export interface ConfigFault {
  /** Null: a flag, or a default. */
  readonly file: string | null
  /** From 1; null: no line is to blame. */
  readonly line: number | null
  /** `section.key` or `--flag`; null: the text itself could not be read. */
  readonly key: string | null
  readonly message: string
}

/** `file:line: key: message`, without the parts that are not known. Takes faults of routes too. */
export function describeFault(fault: {
  readonly file: string | null
  readonly line: number | null
  readonly key?: string | null
  readonly message: string
}): string {
  const place = fault.file === null ? '' : fault.line === null ? `${fault.file}: ` : `${fault.file}:${fault.line}: `
  const key = fault.key === undefined || fault.key === null ? '' : `${fault.key}: `
  return place + key + fault.message
}
