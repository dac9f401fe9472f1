#include "ws_frame.h"

#include <string.h>

/* No frame of a benchmark is longer; more is a sign that the stream is not understood. */
#define PAYLOAD_BYTES_MAX (64U << 20)

int ws_frame_read(const uint8_t *data, size_t length, struct ws_frame *frame)
{
    if (length < 2)
        return 0;
    if ((data[1] & 0x80) != 0)
        return -1;
    frame->opcode = data[0] & 0x0f;
    frame->fin = (data[0] & 0x80) != 0;
    unsigned extra = 0;
    uint64_t payload = data[1];
    if (payload == 126)
        extra = 2;
    else if (payload == 127)
        extra = 8;
    if (length < 2 + extra)
        return 0;
    if (extra != 0) {
        payload = 0;
        for (unsigned i = 0; i < extra; i++)
            payload = payload << 8 | data[2 + i];
    }
    if (payload > PAYLOAD_BYTES_MAX)
        return -1;
    frame->head_bytes = 2 + extra;
    frame->payload_bytes = (size_t)payload;
    return length - frame->head_bytes >= frame->payload_bytes ? 1 : 0;
}

size_t ws_frame_head(uint8_t *out, unsigned opcode, size_t payload_bytes)
{
    size_t n = 0;
    out[n++] = (uint8_t)(0x80 | opcode);
    if (payload_bytes < 126) {
        out[n++] = (uint8_t)(0x80 | payload_bytes);
    } else if (payload_bytes < 65536) {
        out[n++] = 0x80 | 126;
        out[n++] = (uint8_t)(payload_bytes >> 8);
        out[n++] = (uint8_t)payload_bytes;
    } else {
        out[n++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[n++] = (uint8_t)((uint64_t)payload_bytes >> shift);
    }
    memset(out + n, 0, 4);
    return n + 4;
}
