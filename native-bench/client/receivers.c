#include "receivers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "http_text.h"
#include "lines.h"
#include "loop.h"
#include "measure.h"
#include "net.h"
#include "payload.h"
#include "tally.h"
#include "ws_frame.h"

#define RECEIVERS_MAX 20000
/* Pushpin refuses (502) what comes while more than about a hundred requests wait inside it. */
#define OPENING_MAX 32
#define READ_BYTES (256U << 10)
#define OPEN_STALL_NS (20 * NS_PER_SECOND)
#define SLOW_RECEIVE_BYTES 4096

enum state { CONNECTING, AWAITING_HEAD, AWAITING_PONG, OPEN, CLOSED };

struct receiver {
    struct loop_source source;
    enum state state;
    bool slow;
    const struct receiver_group *group;
    unsigned channel;
    uint64_t messages;
    /* What the last read has left over: a part of a head or of a frame. */
    char *rest;
    size_t rest_bytes;
    /* Long polls: content of the answer under way; -1: a head is awaited. Streams: the body is not chunked. */
    int64_t body_left;
    bool chunked;
    struct http_chunks chunks;
    struct lines lines;
};

static struct receiver *receivers[RECEIVERS_MAX];
static unsigned receiver_count = 0;
static unsigned opening = 0;
static bool slow_reading = false;
/* A read goes behind what was left over, which is a part of one frame. */
static char buffer[READ_BYTES * 2];

static void receiver_close(struct receiver *receiver, const char *why)
{
    if (receiver->state < OPEN)
        opening--;
    receiver->state = CLOSED;
    if (why != NULL)
        tally_add(why, 1);
    loop_close(&receiver->source);
}

static void receiver_opened(struct receiver *receiver)
{
    opening--;
    receiver->state = OPEN;
    if (receiver->slow && slow_reading)
        loop_change(&receiver->source, 0);
}

static void send_bytes(struct receiver *receiver, const void *bytes, size_t length)
{
    ssize_t sent = send(receiver->source.fd, bytes, length, MSG_NOSIGNAL);
    if (sent != (ssize_t)length)
        receiver_close(receiver, sent < 0 ? "receiver-send-failed" : "receiver-send-short");
}

static void send_frame(struct receiver *receiver, unsigned opcode, const void *payload, size_t length)
{
    char frame[512];
    if (length > sizeof frame - WS_CLIENT_HEAD_MAX)
        length = 0;
    size_t head = ws_frame_head((uint8_t *)frame, opcode, length);
    memcpy(frame + head, payload, length);
    send_bytes(receiver, frame, head + length);
}

static void send_request(struct receiver *receiver)
{
    const struct receiver_group *group = receiver->group;
    struct text text = {0};
    text_print(&text, "GET ");
    const char *mark = strstr(group->path, "{c}");
    text_print(&text, "%.*s", mark == NULL ? (int)strlen(group->path) : (int)(mark - group->path), group->path);
    if (mark != NULL) {
        text_add_channel(&text, group->channel, group->channel_count, receiver->channel);
        text_print(&text, "%s", mark + 3);
    }
    text_print(&text, " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", group->port);
    if (group->kind == RECEIVER_WS) {
        text_print(&text, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
        if (group->subprotocol != NULL)
            text_print(&text, "Sec-WebSocket-Protocol: %s\r\n", group->subprotocol);
    }
    text_print(&text, "\r\n");
    if (receiver->state == CONNECTING)
        receiver->state = AWAITING_HEAD;
    send_bytes(receiver, text.bytes, text.length);
    free(text.bytes);
    /* Nothing tells when a long poll is held. */
    if (group->kind == RECEIVER_POLL && receiver->state == AWAITING_HEAD)
        receiver_opened(receiver);
}

static void subscribe_nats(struct receiver *receiver)
{
    struct text text = {0};
    text_print(&text, "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1}\r\nSUB ");
    text_add_channel(&text, receiver->group->channel, receiver->group->channel_count, receiver->channel);
    text_print(&text, " 1\r\nPING\r\n");
    receiver->state = AWAITING_PONG;
    send_frame(receiver, WS_BINARY, text.bytes, text.length);
    free(text.bytes);
}

/* Returns the bytes taken; the receiver may be closed afterwards. */
static size_t take_head(struct receiver *receiver, const char *data, size_t length)
{
    struct http_head head;
    int whole = http_head_read(data, length, &head);
    if (whole == 0)
        return 0;
    int wanted = receiver->group->kind == RECEIVER_WS ? 101 : 200;
    if (whole < 0 || head.status != wanted) {
        tally_add_numbered("open-status", whole < 0 ? 0 : head.status, 1);
        receiver_close(receiver, NULL);
        return length;
    }
    receiver->chunked = head.chunked;
    receiver->body_left = head.content_length;
    if (receiver->group->nats)
        subscribe_nats(receiver);
    else if (receiver->state != OPEN)
        receiver_opened(receiver);
    return head.bytes;
}

static void take_nats(struct receiver *receiver, const char *data, size_t length, uint64_t now_ns)
{
    struct nats_events events = {0};
    lines_take_nats(&receiver->lines, data, length, now_ns, &events);
    receiver->messages += events.messages;
    if (events.ping)
        send_frame(receiver, WS_BINARY, "PONG\r\n", 6);
    if (events.pong && receiver->state == AWAITING_PONG)
        receiver_opened(receiver);
    if (events.error)
        receiver_close(receiver, "nats-error");
}

static size_t take_frames(struct receiver *receiver, const char *data, size_t length, uint64_t now_ns)
{
    size_t at = 0;
    struct ws_frame frame;
    while (receiver->state != CLOSED) {
        int whole = ws_frame_read((const uint8_t *)data + at, length - at, &frame);
        if (whole == 0)
            break;
        if (whole < 0) {
            receiver_close(receiver, "bad-frame");
            break;
        }
        const char *payload = data + at + frame.head_bytes;
        at += frame.head_bytes + frame.payload_bytes;
        if (receiver->group->nats && frame.opcode <= WS_BINARY)
            take_nats(receiver, payload, frame.payload_bytes, now_ns);
        else if (frame.opcode == WS_TEXT || frame.opcode == WS_BINARY)
            receiver->messages += measure_message(payload, frame.payload_bytes, now_ns);
        else if (frame.opcode == WS_PING)
            send_frame(receiver, WS_PONG, payload, frame.payload_bytes);
        else if (frame.opcode == WS_CLOSE)
            receiver_close(receiver, "closed-by-server");
    }
    return receiver->state == CLOSED ? length : at;
}

static size_t take_stream(struct receiver *receiver, const char *data, size_t length, uint64_t now_ns)
{
    if (!receiver->chunked) {
        receiver->messages += lines_take(&receiver->lines, data, length, now_ns);
        return length;
    }
    size_t at = 0;
    while (at < length) {
        const char *piece;
        size_t piece_bytes;
        int64_t taken = http_chunks_take(&receiver->chunks, data + at, length - at, &piece, &piece_bytes);
        if (taken < 0 || receiver->chunks.done) {
            receiver_close(receiver, taken < 0 ? "bad-chunk" : "stream-ended");
            return length;
        }
        if (piece_bytes > 0)
            receiver->messages += lines_take(&receiver->lines, piece, piece_bytes, now_ns);
        at += (size_t)taken;
    }
    return length;
}

/* An answer with Content-Length as a whole; then it polls again. */
static size_t take_poll(struct receiver *receiver, const char *data, size_t length, uint64_t now_ns)
{
    if (receiver->body_left < 0) {
        size_t head = take_head(receiver, data, length);
        if (receiver->state != OPEN || head == 0)
            return head;
        if (receiver->body_left < 0)
            receiver_close(receiver, "poll-without-length");
        return head;
    }
    if (length < (size_t)receiver->body_left)
        return 0;
    size_t taken = (size_t)receiver->body_left;
    receiver->messages += measure_message(data, taken, now_ns);
    receiver->body_left = -1;
    send_request(receiver);
    return taken;
}

static size_t take(struct receiver *receiver, const char *data, size_t length, uint64_t now_ns)
{
    if (receiver->group->kind == RECEIVER_POLL)
        return take_poll(receiver, data, length, now_ns);
    if (receiver->state == AWAITING_HEAD)
        return take_head(receiver, data, length);
    if (receiver->group->kind == RECEIVER_WS)
        return take_frames(receiver, data, length, now_ns);
    return take_stream(receiver, data, length, now_ns);
}

static void keep_rest(struct receiver *receiver, const char *data, size_t length)
{
    if (length > READ_BYTES) {
        receiver_close(receiver, "frame-too-long");
        return;
    }
    if (length > 0) {
        char *rest = realloc(receiver->rest, length);
        if (rest == NULL)
            abort();
        memcpy(rest, data, length);
        receiver->rest = rest;
    }
    receiver->rest_bytes = length;
}

static void read_some(struct receiver *receiver, size_t bytes_max)
{
    size_t rest = receiver->rest_bytes;
    if (rest > 0)
        memcpy(buffer, receiver->rest, rest);
    ssize_t got = recv(receiver->source.fd, buffer + rest, bytes_max, 0);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            receiver_close(receiver, got == 0 ? "closed-by-server" : "reset-by-server");
        return;
    }
    uint64_t now_ns = clock_now();
    size_t length = rest + (size_t)got;
    size_t at = 0;
    while (at < length && receiver->state != CLOSED) {
        size_t taken = take(receiver, buffer + at, length - at, now_ns);
        if (taken == 0)
            break;
        at += taken;
    }
    if (receiver->state != CLOSED)
        keep_rest(receiver, buffer + at, length - at);
}

static void receiver_ready(struct loop_source *source, uint32_t events)
{
    struct receiver *receiver = (struct receiver *)source;
    if (receiver->state == CONNECTING) {
        int reason = net_connect_error(source->fd);
        if (reason != 0) {
            tally_add_errno("connect", reason);
            receiver_close(receiver, NULL);
            return;
        }
        loop_change(source, EPOLLIN);
        send_request(receiver);
        return;
    }
    /* With slow reading only what cannot be kept away is reported: errors and hang-ups. */
    if ((events & EPOLLIN) != 0 || !receiver->slow || !slow_reading)
        read_some(receiver, READ_BYTES);
    else
        receiver_close(receiver, "slow-reader-cut");
}

static void begin(const struct receiver_group *group, unsigned number)
{
    if (receiver_count == RECEIVERS_MAX) {
        tally_add("too-many-receivers", 1);
        return;
    }
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (receiver == NULL)
        abort();
    receiver->source.ready = receiver_ready;
    receiver->group = group;
    receiver->channel = number % group->channel_count;
    receiver->slow = number < group->slow;
    receiver->body_left = -1;
    receiver->source.fd = net_connect(group->port, receiver_count, receiver->slow ? SLOW_RECEIVE_BYTES : 0);
    receivers[receiver_count++] = receiver;
    if (receiver->source.fd < 0 || loop_add(&receiver->source, EPOLLOUT) < 0) {
        tally_add_errno("connect", errno);
        receiver->state = CLOSED;
        return;
    }
    opening++;
}

void receivers_open(const struct receiver_group *group)
{
    unsigned begun = 0;
    unsigned last_done = 0;
    uint64_t progress_ns = clock_now();
    while (begun < group->count || opening > 0) {
        while (begun < group->count && opening < OPENING_MAX)
            begin(group, begun++);
        loop_turn(100 * (int64_t)NS_PER_MS);
        uint64_t now_ns = clock_now();
        if (begun - opening != last_done)
            progress_ns = now_ns;
        last_done = begun - opening;
        if (now_ns - progress_ns > OPEN_STALL_NS)
            break;
    }
    for (unsigned i = 0; i < receiver_count && opening > 0; i++)
        if (receivers[i]->state < OPEN)
            receiver_close(receivers[i], "open-timed-out");
}

unsigned receivers_open_count(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < receiver_count; i++)
        count += receivers[i]->state == OPEN;
    return count;
}

static bool expects(const struct receiver *receiver)
{
    return receiver->state == OPEN && !receiver->group->idle;
}

unsigned receivers_expecting(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < receiver_count; i++)
        count += expects(receivers[i]);
    return count;
}

long receivers_per_channel(unsigned channel_count)
{
    unsigned *counts = calloc(channel_count, sizeof *counts);
    if (counts == NULL)
        abort();
    for (unsigned i = 0; i < receiver_count; i++)
        if (expects(receivers[i]))
            counts[receivers[i]->channel % channel_count]++;
    long all = counts[0];
    for (unsigned i = 1; i < channel_count; i++)
        if (counts[i] != counts[0])
            all = -1;
    free(counts);
    return all;
}

void receivers_spread(uint64_t *smallest, uint64_t *largest)
{
    *smallest = UINT64_MAX;
    *largest = 0;
    for (unsigned i = 0; i < receiver_count; i++) {
        if (!expects(receivers[i]))
            continue;
        uint64_t messages = receivers[i]->messages;
        *smallest = messages < *smallest ? messages : *smallest;
        *largest = messages > *largest ? messages : *largest;
    }
    if (*smallest > *largest)
        *smallest = 0;
}

void receivers_reset_counts(void)
{
    for (unsigned i = 0; i < receiver_count; i++)
        receivers[i]->messages = 0;
}

void receivers_set_slow(bool slow)
{
    slow_reading = slow;
    for (unsigned i = 0; i < receiver_count; i++)
        if (receivers[i]->slow && receivers[i]->state == OPEN)
            loop_change(&receivers[i]->source, slow ? 0 : EPOLLIN);
}

void receivers_sip(uint64_t now_ns)
{
    static uint64_t next_ns = 0;
    if (!slow_reading || now_ns < next_ns)
        return;
    next_ns = now_ns + SLOW_INTERVAL_NS;
    for (unsigned i = 0; i < receiver_count; i++)
        if (receivers[i]->slow && receivers[i]->state == OPEN)
            read_some(receivers[i], SLOW_BYTES);
}
