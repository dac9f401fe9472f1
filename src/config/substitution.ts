/** What is replaced inside the values of pushpin.conf: {libdir}, {rundir}, {ipc_prefix}, and the port of tcp:// specs. */

export interface Variables {
  readonly libdir: string
  readonly rundir: string
  readonly ipcPrefix: string
  readonly portOffset: number
}

const TCP_PORT = /(tcp:\/\/(?:\[[^\]]*\]|[^:/,]*):)(\d{1,9})/g

export function substitute(text: string, variables: Variables): string {
  return text
    .replaceAll('{libdir}', () => variables.libdir)
    .replaceAll('{rundir}', () => variables.rundir)
    .replaceAll('{ipc_prefix}', () => variables.ipcPrefix)
    .replace(TCP_PORT, (_, start: string, port: string) => start + String(Number(port) + variables.portOffset))
}
