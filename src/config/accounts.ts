/**
 * Users and groups by name, as /etc/passwd and /etc/group list them. Accounts of a directory service are not in these
 * files: they can be named by their number.
 */

const ID_MAX = 4_294_967_294

/** The id of `name` in the text of /etc/passwd or /etc/group; a number stands for itself. Null: not known. */
export function accountId(text: string, name: string): number | null {
  for (const line of text.split('\n')) {
    const [entry, , id = ''] = line.split(':')
    if (entry === name) return idOf(id)
  }
  return idOf(name)
}

function idOf(text: string): number | null {
  return /^\d{1,10}$/.test(text) && Number(text) <= ID_MAX ? Number(text) : null
}
