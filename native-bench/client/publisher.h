/*
 * Ways to publish. A publisher has a door of a server open and takes messages as fast as the server accepts them.
 *
 *   http          POST /publish/ with `items` items of JSON per request, `connections` requests at a time
 *   nchan         POST /publish/?id=CHANNEL with the content as the body
 *   push          ZeroMQ PUSH, one item per message
 *   pub-bind      ZeroMQ PUB: binds, and the server connects
 *   pub-connect   ZeroMQ PUB: connects to the server
 *   nats          PUB over TCP
 *   ws            a WebSocket; a message is CHANNEL, a space, and the content (the bare uWebSockets.js server)
 */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct publisher_options {
    const char *kind;
    unsigned port;
    /* http, nchan */
    unsigned connections;
    unsigned items;
    /* Formats of an item. */
    bool for_ws;
    bool for_streams;
    /* ZeroMQ: tnetstring instead of JSON. */
    bool tnetstring;
    const char *channel;
    unsigned channel_count;
    /* Of the content, the line end of streams included. */
    size_t message_bytes;
    /* Messages that wait in a ZeroMQ PUSH at most, with a small socket buffer behind them; 0: as ZeroMQ has it. */
    unsigned queue;
};

struct publisher {
    /* Messages per offer. */
    unsigned items;
    /* Messages that the server has refused or that were lost with a connection. */
    uint64_t refused;
    /* Takes `items` messages with this stamp to the next channels. False: not now, and nothing was done. */
    bool (*offer)(struct publisher *publisher, uint64_t stamp_ns);
    /* To be called at the end of each turn that offered something. */
    void (*flush)(struct publisher *publisher);
    /* Asks the server, once at the end of a phase, to say when it has taken everything; may do nothing. */
    void (*finish)(struct publisher *publisher);
    /* Whether it has: as far as the door tells. */
    bool (*settled)(struct publisher *publisher);
    /* Channels the server has subscribed to, where the door tells; otherwise UINT32_MAX. To be called while waiting. */
    unsigned (*subscribed)(struct publisher *publisher);
    const struct publisher_options *options;
    unsigned next_channel;
};

/* Opens the door. NULL, with the reason on stderr, when that cannot be done. */
struct publisher *publisher_open(const struct publisher_options *options);

/* The next `items` channels. */
unsigned publisher_next_channel(struct publisher *publisher);

struct publisher *publish_http_open(const struct publisher_options *options);
struct publisher *publish_zmq_open(const struct publisher_options *options);
struct publisher *publish_tcp_open(const struct publisher_options *options);

#endif
