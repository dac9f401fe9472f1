/*
 * A message's payload begins with the time it was meant to be sent: nanoseconds as 16 lower-case hexadecimal digits,
 * which pass through JSON, UTF-8 checks and text frames as they are.
 */
#ifndef STAMP_H
#define STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_BYTES 16

void stamp_write(char *out, uint64_t ns);

/* False when `text` does not begin with a stamp. */
bool stamp_read(const char *text, size_t length, uint64_t *ns);

#endif
