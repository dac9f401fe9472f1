import { expect, test } from 'vitest'
import { accountId } from './accounts.js'

const PASSWD =
  'root:x:0:0:root:/root:/bin/bash\n\nwww-data:x:33:33:www-data:/var/www:/bin/false\nodd:x:abc:1\n7:x:8:8::/:\n'

test.each([
  ['root', 0],
  ['www-data', 33],
  ['www', null],
  ['odd', null],
  ['1000', 1000],
  ['7', 8],
  ['4294967295', null],
  ['-1', null],
  ['', null],
])('account %j has the id %j', (name, id) => {
  expect(accountId(PASSWD, name)).toBe(id)
})
