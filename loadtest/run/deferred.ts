/** A promise that is settled from outside. */
export interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: Error): void
}

export function deferred(): Deferred {
  let [resolve, reject] = [(): void => {}, (_error: Error): void => {}]
  const promise = new Promise<void>((done, fail) => {
    resolve = done
    reject = fail
  })
  promise.catch(() => {}) // told to whoever waits for it
  return { promise, resolve, reject }
}
