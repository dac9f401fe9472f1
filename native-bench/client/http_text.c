#include "http_text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has_name(const char *line, size_t length, const char *name, size_t name_bytes)
{
    return length > name_bytes && line[name_bytes] == ':' && strncasecmp(line, name, name_bytes) == 0;
}

static bool has_word(const char *line, size_t length, const char *word)
{
    size_t word_bytes = strlen(word);
    for (size_t at = 0; at + word_bytes <= length; at++)
        if (strncasecmp(line + at, word, word_bytes) == 0)
            return true;
    return false;
}

static void read_field(const char *line, size_t length, struct http_head *head)
{
    if (has_name(line, length, "content-length", 14))
        head->content_length = strtoll(line + 15, NULL, 10);
    else if (has_name(line, length, "transfer-encoding", 17))
        head->chunked = has_word(line + 18, length - 18, "chunked");
    else if (has_name(line, length, "connection", 10))
        head->closes = has_word(line + 11, length - 11, "close");
}

static bool read_first_line(const char *line, size_t length, struct http_head *head)
{
    if (length >= 12 && memcmp(line, "HTTP/1.", 7) == 0) {
        head->status = atoi(line + 9);
        return head->status >= 100;
    }
    const char *space = memchr(line, ' ', length);
    if (space == NULL)
        return false;
    const char *path = space + 1;
    const char *end = memchr(path, ' ', length - (size_t)(path - line));
    if (end == NULL)
        return false;
    head->is_get = memcmp(line, "GET ", 4) == 0;
    head->path = path;
    head->path_bytes = (size_t)(end - path);
    return true;
}

int http_head_read(const char *data, size_t length, struct http_head *head)
{
    const char *end = memmem(data, length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    *head = (struct http_head){.bytes = (size_t)(end - data) + 4, .content_length = -1};
    const char *line = data;
    bool first = true;
    while (line < end) {
        const char *line_end = memchr(line, '\r', (size_t)(end - line));
        if (line_end == NULL)
            line_end = end;
        size_t line_bytes = (size_t)(line_end - line);
        if (first) {
            if (!read_first_line(line, line_bytes, head))
                return -1;
        } else if ((line[0] | 0x20) == 'c' || (line[0] | 0x20) == 't') {
            read_field(line, line_bytes, head);
        }
        first = false;
        line = line_end + 2;
    }
    return first ? -1 : 1;
}

enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_TRAILER_LINE };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte that is not content. False: malformed. */
static bool take_framing(struct http_chunks *chunks, char c)
{
    switch (chunks->state) {
    case CHUNK_SIZE:
    case CHUNK_EXTENSION:
        if (c == '\n') {
            chunks->state = chunks->left == 0 ? CHUNK_TRAILER : CHUNK_DATA;
        } else if (c == '\r' || chunks->state == CHUNK_EXTENSION) {
            return true;
        } else if (c == ';') {
            chunks->state = CHUNK_EXTENSION;
        } else {
            int value = hex_value(c);
            if (value < 0 || chunks->left >> 56 != 0)
                return false;
            chunks->left = chunks->left << 4 | (uint64_t)value;
        }
        return true;
    case CHUNK_DATA_END:
        if (c == '\n')
            chunks->state = CHUNK_SIZE;
        return c == '\n' || c == '\r';
    case CHUNK_TRAILER:
        if (c == '\n')
            chunks->done = true;
        else if (c != '\r')
            chunks->state = CHUNK_TRAILER_LINE;
        return true;
    default:
        if (c == '\n')
            chunks->state = CHUNK_TRAILER;
        return true;
    }
}

int64_t http_chunks_take(struct http_chunks *chunks, const char *data, size_t length, const char **piece,
                         size_t *piece_bytes)
{
    size_t at = 0;
    *piece_bytes = 0;
    while (at < length && !chunks->done) {
        if (chunks->state == CHUNK_DATA) {
            size_t left = length - at;
            *piece = data + at;
            *piece_bytes = left < chunks->left ? left : (size_t)chunks->left;
            chunks->left -= *piece_bytes;
            if (chunks->left == 0)
                chunks->state = CHUNK_DATA_END;
            return (int64_t)(at + *piece_bytes);
        }
        if (!take_framing(chunks, data[at++]))
            return -1;
    }
    return (int64_t)at;
}
