/** Why a run could not begin or go on; `message` tells the user what to do. */
export class RunError extends Error {
  override readonly name = 'RunError'
  /** As in the table of errors. */
  readonly kind: string

  constructor(kind: string, message: string) {
    super(message)
    this.kind = kind
  }
}
