/** What a body-patch and the filters of a subscription left of an item's content. */
import { EMPTY_BYTES } from '../base/bytes.js'
import { FormatFault } from '../grip/format.js'
import { PatchFault } from '../wire/json-patch.js'
import type { ShardContext } from './context.js'

/** A filter that failed leaves nothing; that is counted, and debug logs say why. */
export function filteredContent(context: ShardContext, filtered: Buffer | FormatFault): Buffer {
  if (!(filtered instanceof FormatFault)) return filtered
  context.counters.add('filter_errors')
  context.log.debug({ message: filtered.message }, 'a filter failed: its item goes without content')
  return EMPTY_BYTES
}

/** A patch that cannot be applied leaves nothing; likewise. */
export function patchedBody(context: ShardContext, patched: Buffer | PatchFault): Buffer {
  if (!(patched instanceof PatchFault)) return patched
  context.counters.add('patch_errors')
  context.log.debug({ message: patched.message }, 'a body-patch could not be applied: its long poll gets no body')
  return EMPTY_BYTES
}
