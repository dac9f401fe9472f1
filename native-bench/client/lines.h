/*
 * Messages out of streams of bytes that arrive in arbitrary pieces: lines (HTTP streams), and the NATS protocol.
 * Both keep what a piece leaves over, at most LINES_KEPT_MAX bytes of it: enough for a stamp or a protocol line.
 */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_KEPT_MAX 112

struct lines {
    /* Bytes of the line under way, also those not kept. */
    uint32_t length;
    uint16_t kept;
    /* NATS: what is missing of the payload under way, with its line end; 0: none is under way. */
    uint32_t payload_left;
    char text[LINES_KEPT_MAX];
};

/* Counts each stamped line as a message; returns how many there were. */
uint64_t lines_take(struct lines *lines, const char *data, size_t length, uint64_t now_ns);

struct nats_events {
    uint64_t messages;
    bool pong;
    bool ping;
    /* -ERR, or what is not understood. */
    bool error;
};

/* Counts each payload of a MSG as a message. */
void lines_take_nats(struct lines *lines, const char *data, size_t length, uint64_t now_ns, struct nats_events *events);

#endif
