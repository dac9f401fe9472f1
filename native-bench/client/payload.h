/*
 * Bytes to send again and again, with places for channels and stamps. Built once from a text in which
 * CHANNEL_MARK stands where a channel's number goes and STAMP_MARK where a stamp goes; sending fills the places.
 *
 * Channels are `name` alone when there is one, and otherwise `name-000000` to `name-(count-1)`: all of one length, so
 * that lengths in front of them stay right.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#define CHANNEL_MARK "\1\1\1\1\1\1"
#define CHANNEL_DIGITS 6
#define STAMP_MARK "\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2"

struct payload {
    char *bytes;
    size_t length;
    size_t *channel_places;
    size_t channel_place_count;
    size_t *stamp_places;
    size_t stamp_place_count;
};

/* Text that grows; what it holds is not ended by a zero. */
struct text {
    char *bytes;
    size_t length;
    size_t room;
};

void text_add(struct text *text, const char *bytes, size_t length);
void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes over what `text` holds. */
struct payload payload_build(struct text text);

/* Fills the places: channels in turn from `first_channel` on, modulo `channel_count`. */
void payload_fill(struct payload *payload, unsigned first_channel, unsigned channel_count, uint64_t stamp_ns);

/* A channel's name with its number, or with the mark in its place. */
void text_add_channel(struct text *text, const char *name, unsigned channel_count, unsigned channel);
void text_add_channel_mark(struct text *text, const char *name, unsigned channel_count);

#endif
