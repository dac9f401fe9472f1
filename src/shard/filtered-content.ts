/** What the filters of a subscription left of an item's content. */
import { EMPTY_BYTES } from '../base/bytes.js'
import { FormatFault } from '../grip/format.js'
import type { ShardContext } from './context.js'

/** A filter that failed leaves nothing; that is counted, and debug logs say why. */
export function filteredContent(context: ShardContext, filtered: Buffer | FormatFault): Buffer {
  if (!(filtered instanceof FormatFault)) return filtered
  context.counters.add('filter_errors')
  context.log.debug({ message: filtered.message }, 'a filter failed: its item goes without content')
  return EMPTY_BYTES
}
