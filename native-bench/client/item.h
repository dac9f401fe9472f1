/* The bytes of one publish for each door, with marks for channel and stamp. */
#ifndef ITEM_H
#define ITEM_H

#include "payload.h"
#include "publisher.h"

/* A publish item: JSON, or tnetstring. Without the prefix byte of ZeroMQ. */
void item_add(struct text *text, const struct publisher_options *options, bool tnetstring);

/* The content alone: a stamp and filling. `line_end` ends it, as one byte of it however it is written. */
void item_add_content(struct text *text, size_t message_bytes, const char *line_end);

#endif
