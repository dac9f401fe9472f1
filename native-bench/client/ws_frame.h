/*
 * WebSocket frames (RFC 6455) as a client needs them. Frames to the server carry the masking key 0: legal, and
 * what is masked with it stays as it is, so that a load client spends nothing on it.
 */
#ifndef WS_FRAME_H
#define WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

#define WS_CLIENT_HEAD_MAX 14

struct ws_frame {
    unsigned opcode;
    bool fin;
    size_t head_bytes;
    size_t payload_bytes;
};

/* Reads a server's frame. 1: whole; 0: more bytes are needed; -1: not a server's frame (masked, or too long). */
int ws_frame_read(const uint8_t *data, size_t length, struct ws_frame *frame);

/* Writes the head of a client's frame to `out`; returns its length, at most WS_CLIENT_HEAD_MAX. */
size_t ws_frame_head(uint8_t *out, unsigned opcode, size_t payload_bytes);

#endif
