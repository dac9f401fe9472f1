#include "lines.h"

#include <string.h>

#include "measure.h"

/* No benchmark's payload is longer; more is a sign that the stream is not understood. */
#define PAYLOAD_BYTES_MAX (64 << 20)

static void keep(struct lines *lines, const char *data, size_t length)
{
    size_t room = LINES_KEPT_MAX - lines->kept;
    size_t taken = length < room ? length : room;
    memcpy(lines->text + lines->kept, data, taken);
    lines->kept = (uint16_t)(lines->kept + taken);
    lines->length += (uint32_t)length;
}

uint64_t lines_take(struct lines *lines, const char *data, size_t length, uint64_t now_ns)
{
    uint64_t messages = 0;
    const char *end = data + length;
    while (data < end) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        if (newline == NULL) {
            keep(lines, data, (size_t)(end - data));
            break;
        }
        if (lines->length == 0) {
            messages += measure_message(data, (size_t)(newline - data), now_ns);
        } else {
            keep(lines, data, (size_t)(newline - data));
            messages += measure_message(lines->text, lines->kept, now_ns);
            lines->kept = 0;
            lines->length = 0;
        }
        data = newline + 1;
    }
    return messages;
}

/* A protocol line without its line end. Returns the payload's length for MSG, otherwise -1. */
static long take_nats_line(const char *line, size_t length, struct nats_events *events)
{
    if (length >= 4 && memcmp(line, "MSG ", 4) == 0) {
        long payload = 0;
        const char *digit = (const char *)memrchr(line, ' ', length) + 1;
        for (; digit < line + length && payload <= PAYLOAD_BYTES_MAX && *digit >= '0' && *digit <= '9'; digit++)
            payload = payload * 10 + (*digit - '0');
        events->error |= digit < line + length || payload > PAYLOAD_BYTES_MAX;
        return events->error ? -1 : payload;
    }
    if (length >= 4 && memcmp(line, "PONG", 4) == 0)
        events->pong = true;
    else if (length >= 4 && memcmp(line, "PING", 4) == 0)
        events->ping = true;
    else if (length < 4 || (memcmp(line, "INFO", 4) != 0 && memcmp(line, "+OK", 3) != 0))
        events->error = true;
    return -1;
}

/* The payload under way; returns the bytes taken. */
static size_t take_nats_payload(struct lines *lines, const char *data, size_t length, uint64_t now_ns,
                                struct nats_events *events)
{
    size_t taken = length < lines->payload_left ? length : lines->payload_left;
    if (lines->length == 0 && taken == lines->payload_left) {
        events->messages += measure_message(data, taken - 2, now_ns);
        lines->payload_left = 0;
        return taken;
    }
    keep(lines, data, taken);
    lines->payload_left -= (uint32_t)taken;
    if (lines->payload_left == 0) {
        size_t payload = lines->length - 2 < lines->kept ? lines->length - 2 : lines->kept;
        events->messages += measure_message(lines->text, payload, now_ns);
        lines->kept = 0;
        lines->length = 0;
    }
    return taken;
}

void lines_take_nats(struct lines *lines, const char *data, size_t length, uint64_t now_ns, struct nats_events *events)
{
    const char *end = data + length;
    while (data < end) {
        size_t left = (size_t)(end - data);
        if (lines->payload_left > 0) {
            data += take_nats_payload(lines, data, left, now_ns, events);
            continue;
        }
        const char *newline = memchr(data, '\n', left);
        if (newline == NULL) {
            keep(lines, data, left);
            break;
        }
        const char *line = data;
        size_t line_bytes = (size_t)(newline - data);
        if (lines->length > 0) {
            keep(lines, data, line_bytes);
            line = lines->text;
            line_bytes = lines->kept;
        }
        if (line_bytes > 0 && line[line_bytes - 1] == '\r')
            line_bytes--;
        long payload = take_nats_line(line, line_bytes, events);
        lines->kept = 0;
        lines->length = 0;
        if (payload >= 0)
            lines->payload_left = (uint32_t)payload + 2;
        data = newline + 1;
    }
}
