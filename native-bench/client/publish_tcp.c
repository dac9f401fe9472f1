/* Publishing as one stream of bytes: NATS over TCP, or frames on a WebSocket. What the server does not read, waits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "item.h"
#include "lines.h"
#include "loop.h"
#include "net.h"
#include "payload.h"
#include "publisher.h"
#include "stamp.h"
#include "tally.h"
#include "ws_frame.h"

#define UNWRITTEN_BYTES_MAX 65536
#define OPEN_NS (10 * NS_PER_SECOND)
#define NATS_HELLO "CONNECT {\"verbose\":false,\"pedantic\":false,\"protocol\":1}\r\nPING\r\n"

struct tcp_publisher {
    struct publisher base;
    struct loop_source source;
    struct payload message;
    bool nats;
    bool connected;
    bool open;
    /* NATS: PINGs sent that have no PONG. */
    unsigned pings;
    struct lines lines;
    struct text unwritten;
};

static struct tcp_publisher *of_source(struct loop_source *source)
{
    return (struct tcp_publisher *)((char *)source - offsetof(struct tcp_publisher, source));
}

static void lost(struct tcp_publisher *publisher, const char *why)
{
    tally_add(why, 1);
    publisher->open = false;
    loop_close(&publisher->source);
}

static void flush(struct publisher *base)
{
    struct tcp_publisher *publisher = (struct tcp_publisher *)base;
    struct text *unwritten = &publisher->unwritten;
    if (publisher->source.fd < 0 || unwritten->length == 0)
        return;
    ssize_t sent = send(publisher->source.fd, unwritten->bytes, unwritten->length, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            lost(publisher, "publish-send-failed");
        sent = 0;
    }
    unwritten->length -= (size_t)sent;
    memmove(unwritten->bytes, unwritten->bytes + sent, unwritten->length);
    if (publisher->source.fd >= 0)
        loop_change(&publisher->source, unwritten->length > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void connected(struct tcp_publisher *publisher)
{
    int reason = net_connect_error(publisher->source.fd);
    if (reason != 0) {
        tally_add_errno("publish-connect", reason);
        loop_close(&publisher->source);
        return;
    }
    publisher->connected = true;
    if (publisher->nats) {
        text_print(&publisher->unwritten, NATS_HELLO);
        publisher->pings++;
    } else {
        text_print(&publisher->unwritten,
                   "GET /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    }
    flush(&publisher->base);
}

static void take(struct tcp_publisher *publisher, const char *data, size_t length)
{
    if (!publisher->nats) {
        /* The server of `ws` says nothing after its 101, whose head comes in one piece. */
        if (length > 12 && memcmp(data, "HTTP/1.1 101", 12) == 0)
            publisher->open = true;
        else
            lost(publisher, "publish-bad-answer");
        return;
    }
    struct nats_events events = {0};
    lines_take_nats(&publisher->lines, data, length, 0, &events);
    if (events.error)
        lost(publisher, "nats-error");
    if (events.ping) {
        text_print(&publisher->unwritten, "PONG\r\n");
        flush(&publisher->base);
    }
    if (events.pong) {
        publisher->pings--;
        publisher->open = true;
    }
}

static void ready(struct loop_source *source, uint32_t events)
{
    struct tcp_publisher *publisher = of_source(source);
    if (!publisher->connected) {
        connected(publisher);
        return;
    }
    if ((events & EPOLLOUT) != 0)
        flush(&publisher->base);
    if ((events & ~(uint32_t)EPOLLOUT) == 0 || source->fd < 0)
        return;
    char data[4096];
    ssize_t got = recv(source->fd, data, sizeof data, 0);
    if (got > 0)
        take(publisher, data, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        lost(publisher, "publish-connection-lost");
}

static bool offer(struct publisher *base, uint64_t stamp_ns)
{
    struct tcp_publisher *publisher = (struct tcp_publisher *)base;
    if (!publisher->open || publisher->unwritten.length >= UNWRITTEN_BYTES_MAX)
        return false;
    struct payload *message = &publisher->message;
    payload_fill(message, publisher_next_channel(base), base->options->channel_count, stamp_ns);
    text_add(&publisher->unwritten, message->bytes, message->length);
    return true;
}

static void finish(struct publisher *base)
{
    struct tcp_publisher *publisher = (struct tcp_publisher *)base;
    if (!publisher->nats || !publisher->open)
        return;
    text_print(&publisher->unwritten, "PING\r\n");
    publisher->pings++;
    flush(base);
}

static bool settled(struct publisher *base)
{
    struct tcp_publisher *publisher = (struct tcp_publisher *)base;
    return !publisher->open || (publisher->pings == 0 && publisher->unwritten.length == 0);
}

static unsigned subscribed(struct publisher *base)
{
    (void)base;
    return UINT32_MAX;
}

static struct payload build_message(const struct publisher_options *options, bool nats)
{
    struct text text = {0};
    if (nats) {
        text_print(&text, "PUB ");
        text_add_channel_mark(&text, options->channel, options->channel_count);
        text_print(&text, " %zu\r\n", options->message_bytes);
        item_add_content(&text, options->message_bytes, "");
        text_print(&text, "\r\n");
        return payload_build(text);
    }
    struct text content = {0};
    text_add_channel_mark(&content, options->channel, options->channel_count);
    text_print(&content, " ");
    item_add_content(&content, options->message_bytes, options->for_streams ? "\n" : "");
    uint8_t head[WS_CLIENT_HEAD_MAX];
    text_add(&text, (char *)head, ws_frame_head(head, WS_TEXT, content.length));
    text_add(&text, content.bytes, content.length);
    free(content.bytes);
    return payload_build(text);
}

struct publisher *publish_tcp_open(const struct publisher_options *options)
{
    struct tcp_publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL)
        abort();
    publisher->base = (struct publisher){.items = 1, .offer = offer, .flush = flush, .finish = finish,
                                         .settled = settled, .subscribed = subscribed, .options = options};
    publisher->nats = strcmp(options->kind, "nats") == 0;
    publisher->message = build_message(options, publisher->nats);
    publisher->source = (struct loop_source){.fd = net_connect(options->port, 0, 0), .ready = ready};
    if (publisher->source.fd >= 0 && loop_add(&publisher->source, EPOLLOUT) == 0) {
        uint64_t end_ns = clock_now() + OPEN_NS;
        while (!publisher->open && publisher->source.fd >= 0 && clock_now() < end_ns)
            loop_turn(100 * (int64_t)NS_PER_MS);
    }
    if (publisher->open)
        return &publisher->base;
    fprintf(stderr, "no connection to 127.0.0.1:%u to publish\n", options->port);
    return NULL;
}
