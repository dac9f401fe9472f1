/** The numbers of GET /metrics (Prometheus text format 0.0.4), for assertions. */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export class Metrics {
  readonly text: string
  readonly samples: readonly Sample[]

  constructor(text: string) {
    this.text = text
    this.samples = parseMetrics(text)
  }

  /** All samples of this name whose labels include `labels`. */
  find(name: string, labels: Readonly<Record<string, string>> = {}): Sample[] {
    const wanted = Object.entries(labels)
    return this.samples.filter(
      (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
    )
  }

  /** Their sum: over all shards unless `labels` names one. Throws when there is none, because a typo is no zero. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const found = this.find(name, labels)
    if (found.length === 0) throw new Error(`no metric ${name} ${JSON.stringify(labels)} in\n${this.text}`)
    return found.reduce((sum, sample) => sum + sample.value, 0)
  }

  /** Sum of everything whose name matches. */
  sumOf(pattern: RegExp): number {
    return this.samples.reduce((sum, sample) => sum + (pattern.test(sample.name) ? sample.value : 0), 0)
  }
}

export async function fetchMetrics(url: string): Promise<Metrics> {
  const response = await fetch(url)
  const text = await response.text()
  if (response.status !== 200) throw new Error(`GET ${url}: ${response.status} ${text}`)
  return new Metrics(text)
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

/** Throws on a line that is neither a comment nor a sample. */
export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const match = LINE.exec(line)
    if (match === null) throw new Error(`not a metric: ${line}`)
    const [, name = '', labelText = '', value = ''] = match
    const labels: Record<string, string> = {}
    for (const [, label = '', quoted = ''] of labelText.matchAll(LABEL)) labels[label] = unescapeLabel(quoted)
    samples.push({ name, labels, value: numberOf(value) })
  }
  return samples
}

function unescapeLabel(text: string): string {
  return text.replace(/\\(.)/g, (_all, char: string) => (char === 'n' ? '\n' : char))
}

function numberOf(text: string): number {
  return Number(text.replace(/^([+-]?)Inf$/, '$1Infinity'))
}
