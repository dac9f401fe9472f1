/*
 * Publishing by POST: one request at a time on each connection, which asks to be kept (Tackboard and Pushpin close it
 * otherwise). A server that closes after an answer all the same is connected to again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "http_text.h"
#include "item.h"
#include "loop.h"
#include "net.h"
#include "payload.h"
#include "publisher.h"
#include "tally.h"

#define ANSWER_BYTES_MAX 16384
#define OPEN_NS (10 * NS_PER_SECOND)

struct connection {
    struct loop_source source;
    struct http_publisher *owner;
    enum { CONNECTING, IDLE, WRITING, WAITING } state;
    /* Its own copy of the request, for what could not be written at once; only used in WRITING. */
    char *unwritten;
    size_t unwritten_bytes;
    char answer[ANSWER_BYTES_MAX];
    size_t answer_bytes;
};

struct http_publisher {
    struct publisher base;
    struct payload request;
    struct connection *connections;
    struct connection **idle;
    unsigned idle_count;
    unsigned busy;
};

static void connection_ready(struct loop_source *source, uint32_t events);

static void connection_open(struct connection *connection)
{
    connection->state = CONNECTING;
    connection->answer_bytes = 0;
    connection->source.ready = connection_ready;
    connection->source.fd = net_connect(connection->owner->base.options->port, 0, 0);
    if (connection->source.fd < 0 || loop_add(&connection->source, EPOLLOUT) < 0) {
        tally_add_errno("publish-connect", errno);
        loop_close(&connection->source);
    }
}

static void connection_idle(struct connection *connection)
{
    struct http_publisher *owner = connection->owner;
    connection->state = IDLE;
    connection->answer_bytes = 0;
    owner->idle[owner->idle_count++] = connection;
}

static void forget_idle(struct connection *connection)
{
    struct http_publisher *owner = connection->owner;
    for (unsigned i = 0; i < owner->idle_count; i++)
        if (owner->idle[i] == connection)
            owner->idle[i] = owner->idle[--owner->idle_count];
}

/* The connection has ended; a request on it is lost. */
static void connection_lost(struct connection *connection, const char *why)
{
    struct http_publisher *owner = connection->owner;
    if (connection->state == WRITING || connection->state == WAITING) {
        owner->busy--;
        owner->base.refused += owner->base.items;
        tally_add(why, 1);
    } else if (connection->state == IDLE) {
        forget_idle(connection);
    }
    free(connection->unwritten);
    connection->unwritten = NULL;
    loop_close(&connection->source);
    connection_open(connection);
}

static void write_some(struct connection *connection)
{
    const char *from = connection->unwritten;
    ssize_t sent = send(connection->source.fd, from, connection->unwritten_bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        connection_lost(connection, "publish-send-failed");
        return;
    }
    size_t left = connection->unwritten_bytes - (sent < 0 ? 0 : (size_t)sent);
    memmove(connection->unwritten, from + connection->unwritten_bytes - left, left);
    connection->unwritten_bytes = left;
    if (left > 0)
        return;
    free(connection->unwritten);
    connection->unwritten = NULL;
    connection->state = WAITING;
    loop_change(&connection->source, EPOLLIN);
}

static void take_answer(struct connection *connection)
{
    struct http_head head;
    int whole = http_head_read(connection->answer, connection->answer_bytes, &head);
    if (whole < 0 || (whole == 0 && connection->answer_bytes == ANSWER_BYTES_MAX)) {
        connection_lost(connection, "publish-bad-answer");
        return;
    }
    size_t body = whole == 0 || head.content_length < 0 ? 0 : (size_t)head.content_length;
    if (whole == 0 || connection->answer_bytes < head.bytes + body)
        return;
    struct http_publisher *owner = connection->owner;
    owner->busy--;
    if (head.status / 100 != 2) {
        tally_add_numbered("publish-status", head.status, 1);
        owner->base.refused += owner->base.items;
    }
    bool closes = head.closes || head.content_length < 0;
    connection_idle(connection);
    if (closes)
        connection_lost(connection, "publish-closed");
}

static void connection_ready(struct loop_source *source, uint32_t events)
{
    struct connection *connection = (struct connection *)source;
    if (connection->state == CONNECTING) {
        int reason = net_connect_error(source->fd);
        if (reason != 0) {
            tally_add_errno("publish-connect", reason);
            loop_close(source);
            return;
        }
        loop_change(source, EPOLLIN);
        connection_idle(connection);
        return;
    }
    if (connection->state == WRITING && (events & EPOLLOUT) != 0) {
        write_some(connection);
        return;
    }
    size_t room = ANSWER_BYTES_MAX - connection->answer_bytes;
    ssize_t got = recv(source->fd, connection->answer + connection->answer_bytes, room, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        connection_lost(connection, "publish-connection-lost");
        return;
    }
    connection->answer_bytes += (size_t)got;
    if (connection->state == WAITING)
        take_answer(connection);
}

static bool offer(struct publisher *base, uint64_t stamp_ns)
{
    struct http_publisher *publisher = (struct http_publisher *)base;
    if (publisher->idle_count == 0)
        return false;
    struct connection *connection = publisher->idle[--publisher->idle_count];
    struct payload *request = &publisher->request;
    payload_fill(request, publisher_next_channel(base), base->options->channel_count, stamp_ns);
    publisher->busy++;
    connection->state = WAITING;
    ssize_t sent = send(connection->source.fd, request->bytes, request->length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        connection_lost(connection, "publish-send-failed");
    } else if (sent != (ssize_t)request->length) {
        size_t from = sent < 0 ? 0 : (size_t)sent;
        connection->state = WRITING;
        connection->unwritten_bytes = request->length - from;
        connection->unwritten = malloc(connection->unwritten_bytes);
        if (connection->unwritten == NULL)
            abort();
        memcpy(connection->unwritten, request->bytes + from, connection->unwritten_bytes);
        loop_change(&connection->source, EPOLLIN | EPOLLOUT);
    }
    return true;
}

static void nothing(struct publisher *base)
{
    (void)base;
}

static bool settled(struct publisher *base)
{
    return ((struct http_publisher *)base)->busy == 0;
}

static unsigned subscribed(struct publisher *base)
{
    (void)base;
    return UINT32_MAX;
}

static struct payload build_request(const struct publisher_options *options)
{
    bool nchan = strcmp(options->kind, "nchan") == 0;
    struct text body = {0};
    if (nchan) {
        item_add_content(&body, options->message_bytes, options->for_streams ? "\n" : "");
    } else {
        text_print(&body, "{\"items\":[");
        for (unsigned i = 0; i < options->items; i++) {
            text_print(&body, i == 0 ? "" : ",");
            item_add(&body, options, false);
        }
        text_print(&body, "]}");
    }
    struct text request = {0};
    text_print(&request, "POST /publish/");
    if (nchan) {
        text_print(&request, "?id=");
        text_add_channel_mark(&request, options->channel, options->channel_count);
    }
    text_print(&request, " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: keep-alive\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
               options->port, nchan ? "text/plain" : "application/json", body.length);
    text_add(&request, body.bytes, body.length);
    free(body.bytes);
    return payload_build(request);
}

struct publisher *publish_http_open(const struct publisher_options *options)
{
    struct http_publisher *publisher = calloc(1, sizeof *publisher);
    struct connection *connections = calloc(options->connections, sizeof *connections);
    struct connection **idle = calloc(options->connections, sizeof(struct connection *));
    if (publisher == NULL || connections == NULL || idle == NULL)
        abort();
    publisher->base = (struct publisher){.items = options->items, .offer = offer, .flush = nothing, .finish = nothing,
                                         .settled = settled, .subscribed = subscribed, .options = options};
    publisher->request = build_request(options);
    publisher->connections = connections;
    publisher->idle = idle;
    for (unsigned i = 0; i < options->connections; i++) {
        connections[i].owner = publisher;
        connection_open(&connections[i]);
    }
    uint64_t end_ns = clock_now() + OPEN_NS;
    while (publisher->idle_count < options->connections && clock_now() < end_ns)
        loop_turn(100 * (int64_t)NS_PER_MS);
    if (publisher->idle_count > 0)
        return &publisher->base;
    fprintf(stderr, "no connection to 127.0.0.1:%u to publish\n", options->port);
    return NULL;
}
