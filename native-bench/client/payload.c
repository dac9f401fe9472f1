#include "payload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stamp.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    if (text->length + length > text->room) {
        text->room = (text->length + length) * 2 + 64;
        text->bytes = must(realloc(text->bytes, text->room));
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void text_print(struct text *text, const char *format, ...)
{
    char line[2048];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (length < 0 || (size_t)length >= sizeof line) {
        fputs("a line of a payload is too long\n", stderr);
        exit(1);
    }
    text_add(text, line, (size_t)length);
}

void text_add_channel(struct text *text, const char *name, unsigned channel_count, unsigned channel)
{
    if (channel_count == 1)
        text_print(text, "%s", name);
    else
        text_print(text, "%s-%06u", name, channel);
}

void text_add_channel_mark(struct text *text, const char *name, unsigned channel_count)
{
    text_print(text, "%s%s", name, channel_count == 1 ? "" : "-" CHANNEL_MARK);
}

static size_t find_places(const struct text *text, const char *mark, size_t **places)
{
    size_t count = 0;
    size_t mark_bytes = strlen(mark);
    *places = must(malloc(text->length / mark_bytes * sizeof **places + sizeof **places));
    const char *end = text->bytes + text->length;
    const char *at = text->bytes;
    while ((at = memmem(at, (size_t)(end - at), mark, mark_bytes)) != NULL) {
        (*places)[count++] = (size_t)(at - text->bytes);
        at += mark_bytes;
    }
    return count;
}

struct payload payload_build(struct text text)
{
    struct payload payload = {.bytes = text.bytes, .length = text.length};
    payload.channel_place_count = find_places(&text, CHANNEL_MARK, &payload.channel_places);
    payload.stamp_place_count = find_places(&text, STAMP_MARK, &payload.stamp_places);
    return payload;
}

void payload_fill(struct payload *payload, unsigned first_channel, unsigned channel_count, uint64_t stamp_ns)
{
    unsigned channel = first_channel;
    for (size_t i = 0; i < payload->channel_place_count; i++) {
        char *place = payload->bytes + payload->channel_places[i];
        unsigned rest = channel;
        for (int digit = CHANNEL_DIGITS - 1; digit >= 0; digit--) {
            place[digit] = (char)('0' + rest % 10);
            rest /= 10;
        }
        channel = channel + 1 == channel_count ? 0 : channel + 1;
    }
    if (payload->stamp_place_count == 0)
        return;
    const char *first = payload->bytes + payload->stamp_places[0];
    stamp_write(payload->bytes + payload->stamp_places[0], stamp_ns);
    for (size_t i = 1; i < payload->stamp_place_count; i++)
        memcpy(payload->bytes + payload->stamp_places[i], first, STAMP_BYTES);
}
