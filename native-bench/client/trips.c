#include "trips.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "http_text.h"
#include "loop.h"
#include "measure.h"
#include "net.h"
#include "payload.h"
#include "tally.h"
#include "ws_frame.h"

#define TRIPS_MAX 10000
/* Closings that the server does not end in this time are cut. */
#define CLOSING_MAX 4000
#define PREPARE_NS (20 * NS_PER_SECOND)
#define READ_BYTES (256U << 10)

enum state { TRIP_CLOSED, TRIP_CONNECTING, TRIP_UPGRADING, TRIP_IDLE, TRIP_WAITING };

struct trip {
    struct loop_source source;
    enum state state;
    uint64_t begun_ns;
    char *rest;
    size_t rest_bytes;
};

struct closing {
    struct loop_source source;
    struct closing *next;
};

static struct trip_options options;
static struct trip *trips;
static struct payload request;
static struct payload message;
static bool running = false;
static unsigned under_way = 0;
static unsigned opened = 0;
static unsigned connect_count = 0;
static unsigned closings = 0;
static struct closing *free_closings = NULL;
static char buffer[READ_BYTES * 2];

static void trip_connect(struct trip *trip);

static void closing_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    char drop[512];
    ssize_t got = recv(source->fd, drop, sizeof drop, 0);
    if (got > 0 || (got < 0 && errno == EAGAIN))
        return;
    loop_close(source);
    struct closing *closing = (struct closing *)source;
    closing->next = free_closings;
    free_closings = closing;
    closings--;
}

/* The opening is done: its socket says goodbye apart from the trip, which goes on with a new one. */
static void close_politely(struct trip *trip)
{
    if (closings == CLOSING_MAX) {
        tally_add("close-not-answered", 1);
        loop_close(&trip->source);
        return;
    }
    struct closing *closing = free_closings;
    if (closing != NULL)
        free_closings = closing->next;
    else
        closing = malloc(sizeof *closing);
    if (closing == NULL)
        abort();
    closing->source = (struct loop_source){.fd = trip->source.fd, .ready = closing_ready};
    loop_change(&closing->source, EPOLLIN);
    trip->source.fd = -1;
    uint8_t frame[WS_CLIENT_HEAD_MAX + 2];
    size_t head = ws_frame_head(frame, WS_CLOSE, 2);
    frame[head] = 1000 >> 8;
    frame[head + 1] = 1000 & 0xff;
    if (send(closing->source.fd, frame, head + 2, MSG_NOSIGNAL) < 0)
        tally_add_errno("close", errno);
    closings++;
}

/* Counts: a trip is under way, a connection is open for trips. */
static void trip_failed(struct trip *trip, const char *why)
{
    if (why != NULL)
        tally_add(why, 1);
    if (options.kind == TRIP_OPEN || trip->state == TRIP_WAITING)
        under_way--;
    if (trip->state == TRIP_IDLE || (options.kind != TRIP_OPEN && trip->state == TRIP_WAITING))
        opened--;
    loop_close(&trip->source);
    trip->rest_bytes = 0;
    trip->state = TRIP_CLOSED;
    if (running)
        trip_connect(trip);
}

static bool trip_send(struct trip *trip, const char *bytes, size_t length)
{
    ssize_t sent = send(trip->source.fd, bytes, length, MSG_NOSIGNAL);
    if (sent == (ssize_t)length)
        return true;
    trip_failed(trip, sent < 0 ? "send-failed" : "send-short");
    return false;
}

/* On an open connection. */
static void trip_begin(struct trip *trip, uint64_t now_ns)
{
    trip->state = TRIP_WAITING;
    trip->begun_ns = now_ns;
    under_way++;
    if (options.kind == TRIP_ECHO)
        payload_fill(&message, 0, 1, now_ns);
    struct payload *payload = options.kind == TRIP_ECHO ? &message : &request;
    trip_send(trip, payload->bytes, payload->length);
}

static void trip_done(struct trip *trip, uint64_t now_ns)
{
    measure.delivered++;
    measure.last_ns = now_ns;
    histogram_record(&measure.latency, now_ns - trip->begun_ns);
    under_way--;
    if (options.kind == TRIP_OPEN) {
        trip->state = TRIP_CLOSED;
        close_politely(trip);
        trip->rest_bytes = 0;
        if (running)
            trip_connect(trip);
        return;
    }
    trip->state = TRIP_IDLE;
    if (running)
        trip_begin(trip, now_ns);
}

static void trip_ready_to_send(struct trip *trip, uint64_t now_ns)
{
    trip->state = TRIP_IDLE;
    opened++;
    if (running)
        trip_begin(trip, now_ns);
}

/* 1: the answer is whole (`taken` bytes); 0: more is needed; -1: the trip has failed. */
static int take_answer(struct trip *trip, const char *data, size_t length, size_t *taken)
{
    struct http_head head;
    int whole = http_head_read(data, length, &head);
    if (whole <= 0)
        return whole;
    *taken = head.bytes;
    if (trip->state == TRIP_UPGRADING)
        return head.status == 101 ? 1 : -1;
    if (head.status != 200)
        return -1;
    if (head.content_length >= 0) {
        *taken += (size_t)head.content_length;
        return length >= *taken ? 1 : 0;
    }
    struct http_chunks chunks = {0};
    while (head.chunked && !chunks.done && *taken < length) {
        const char *piece;
        size_t piece_bytes;
        int64_t part = http_chunks_take(&chunks, data + *taken, length - *taken, &piece, &piece_bytes);
        if (part < 0)
            return -1;
        *taken += (size_t)part;
    }
    return chunks.done ? 1 : head.chunked ? 0 : -1;
}

static int take_echo(const struct trip *trip, const char *data, size_t length, size_t *taken)
{
    struct ws_frame frame;
    int whole = ws_frame_read((const uint8_t *)data, length, &frame);
    if (whole <= 0)
        return whole;
    *taken = frame.head_bytes + frame.payload_bytes;
    uint64_t stamp;
    bool is_echo = frame.opcode == WS_TEXT && frame.payload_bytes == options.message_bytes;
    return is_echo && stamp_read(data + frame.head_bytes, frame.payload_bytes, &stamp) && stamp == trip->begun_ns ? 1 : -1;
}

static void trip_take(struct trip *trip, const char *data, size_t length, uint64_t now_ns)
{
    size_t taken = 0;
    bool is_echo = options.kind == TRIP_ECHO && trip->state == TRIP_WAITING;
    int whole = is_echo ? take_echo(trip, data, length, &taken) : take_answer(trip, data, length, &taken);
    if (whole < 0 || (whole > 0 && taken < length)) {
        trip_failed(trip, whole > 0 ? "more-than-the-answer" : "bad-answer");
        return;
    }
    if (whole == 0) {
        char *rest = realloc(trip->rest, length);
        if (rest == NULL || length > READ_BYTES)
            abort();
        memcpy(rest, data, length);
        trip->rest = rest;
        trip->rest_bytes = length;
        return;
    }
    trip->rest_bytes = 0;
    if (trip->state == TRIP_UPGRADING && options.kind == TRIP_ECHO)
        trip_ready_to_send(trip, now_ns);
    else
        trip_done(trip, now_ns);
}

static void trip_connected(struct trip *trip)
{
    int reason = net_connect_error(trip->source.fd);
    if (reason != 0) {
        tally_add_errno("connect", reason);
        trip_failed(trip, NULL);
        return;
    }
    loop_change(&trip->source, EPOLLIN);
    if (options.kind == TRIP_REQUEST) {
        trip_ready_to_send(trip, clock_now());
        return;
    }
    trip->state = TRIP_UPGRADING;
    trip_send(trip, request.bytes, request.length);
}

static void trip_ready(struct loop_source *source, uint32_t events)
{
    struct trip *trip = (struct trip *)source;
    if (trip->state == TRIP_CONNECTING) {
        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
            trip_connected(trip);
        return;
    }
    size_t rest = trip->rest_bytes;
    if (rest > 0)
        memcpy(buffer, trip->rest, rest);
    ssize_t got = recv(source->fd, buffer + rest, READ_BYTES, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        trip_failed(trip, got == 0 ? "closed-by-server" : "reset-by-server");
    else
        trip_take(trip, buffer, rest + (size_t)got, clock_now());
}

static void trip_connect(struct trip *trip)
{
    if (options.kind == TRIP_OPEN) {
        under_way++;
        trip->begun_ns = clock_now();
    }
    trip->state = TRIP_CONNECTING;
    trip->source.ready = trip_ready;
    /* Openings use all addresses in turn, so that no port comes again while its last connection is remembered. */
    unsigned source = options.kind == TRIP_OPEN ? connect_count * 12000 : connect_count;
    connect_count++;
    trip->source.fd = net_connect(options.port, source, 0);
    if (trip->source.fd < 0 || loop_add(&trip->source, EPOLLOUT) < 0) {
        /* Trying again at once would only spin. */
        tally_add_errno("connect", errno);
        loop_close(&trip->source);
        under_way -= options.kind == TRIP_OPEN;
        trip->state = TRIP_CLOSED;
    }
}

static void build_texts(void)
{
    struct text text = {0};
    text_print(&text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n", options.path, options.port);
    if (options.kind != TRIP_REQUEST)
        text_print(&text, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    text_print(&text, "\r\n");
    request = payload_build(text);
    struct text frame = {0};
    uint8_t head[WS_CLIENT_HEAD_MAX];
    text_add(&frame, (char *)head, ws_frame_head(head, WS_TEXT, options.message_bytes));
    text_add(&frame, STAMP_MARK, STAMP_BYTES);
    for (size_t i = STAMP_BYTES; i < options.message_bytes; i++)
        text_add(&frame, "x", 1);
    message = payload_build(frame);
}

static bool connecting(void)
{
    for (unsigned i = 0; i < options.connections; i++)
        if (trips[i].state == TRIP_CONNECTING || trips[i].state == TRIP_UPGRADING)
            return true;
    return false;
}

bool trips_prepare(const struct trip_options *given)
{
    options = *given;
    if (options.connections > TRIPS_MAX || options.message_bytes < STAMP_BYTES)
        return false;
    build_texts();
    trips = calloc(options.connections, sizeof *trips);
    if (trips == NULL)
        abort();
    for (unsigned i = 0; i < options.connections; i++) {
        trips[i].source.fd = -1;
        if (options.kind != TRIP_OPEN)
            trip_connect(&trips[i]);
    }
    uint64_t end_ns = clock_now() + PREPARE_NS;
    while (connecting() && clock_now() < end_ns)
        loop_turn(100 * (int64_t)NS_PER_MS);
    return options.kind == TRIP_OPEN || opened == options.connections;
}

void trips_start(void)
{
    running = true;
    for (unsigned i = 0; i < options.connections; i++) {
        if (trips[i].state == TRIP_CLOSED)
            trip_connect(&trips[i]);
        else if (trips[i].state == TRIP_IDLE)
            trip_begin(&trips[i], clock_now());
    }
}

void trips_stop(void)
{
    running = false;
}

unsigned trips_under_way(void)
{
    return under_way + closings;
}
