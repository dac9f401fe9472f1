/*
 * HTTP/1.1 heads (of requests and of responses) and chunked bodies, read in place, as much as a benchmark needs.
 */
#ifndef HTTP_TEXT_H
#define HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_head {
    /* With the empty line. */
    size_t bytes;
    /* 0 for a request. */
    int status;
    /* The request's target; not ended by a zero. */
    const char *path;
    size_t path_bytes;
    bool is_get;
    /* -1 when there is none. */
    int64_t content_length;
    bool chunked;
    /* Connection: close */
    bool closes;
};

/* 1: whole; 0: more bytes are needed; -1: malformed. */
int http_head_read(const char *data, size_t length, struct http_head *head);

/* Where in a chunked body the reader is; all zero at its start. */
struct http_chunks {
    uint8_t state;
    bool done;
    uint64_t left;
};

/*
 * Takes bytes up to the end of one piece of content. Returns how many were taken (all, unless the body is done or a
 * piece has ended), and -1 when malformed; the piece may be empty.
 */
int64_t http_chunks_take(struct http_chunks *chunks, const char *data, size_t length, const char **piece,
                         size_t *piece_bytes);

#endif
