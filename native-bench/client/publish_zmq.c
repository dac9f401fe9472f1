/*
 * Publishing by ZeroMQ. PUB is an XPUB here: it shows which channels are subscribed to, and with NODROP it says no instead
 * of dropping when the server does not take what was sent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "item.h"
#include "payload.h"
#include "publisher.h"
#include "tally.h"

struct zmq_publisher {
    struct publisher base;
    void *context;
    void *socket;
    bool is_pub;
    struct payload topic;
    struct payload item;
    unsigned subscribed;
};

/* Subscriptions come as messages: 1 and the channel. */
static unsigned subscribed(struct publisher *base)
{
    struct zmq_publisher *publisher = (struct zmq_publisher *)base;
    if (!publisher->is_pub)
        return UINT32_MAX;
    char topic[256];
    int length;
    while ((length = zmq_recv(publisher->socket, topic, sizeof topic, ZMQ_DONTWAIT)) >= 0)
        if (length > 0 && topic[0] == 1)
            publisher->subscribed++;
        else if (length > 0 && topic[0] == 0)
            publisher->subscribed--;
    return publisher->subscribed;
}

static bool offer(struct publisher *base, uint64_t stamp_ns)
{
    struct zmq_publisher *publisher = (struct zmq_publisher *)base;
    unsigned channel = base->next_channel;
    unsigned count = base->options->channel_count;
    payload_fill(&publisher->item, channel, count, stamp_ns);
    if (publisher->is_pub) {
        payload_fill(&publisher->topic, channel, count, stamp_ns);
        if (zmq_send(publisher->socket, publisher->topic.bytes, publisher->topic.length, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
            return false;
    }
    /* The parts of one message are accepted together. */
    if (zmq_send(publisher->socket, publisher->item.bytes, publisher->item.length, ZMQ_DONTWAIT) < 0) {
        if (publisher->is_pub)
            tally_add("publish-half-sent", 1);
        return false;
    }
    publisher_next_channel(base);
    return true;
}

static void nothing(struct publisher *base)
{
    (void)base;
}

/* No door of ZeroMQ tells what has been taken: the deliveries do. */
static bool settled(struct publisher *base)
{
    (void)base;
    return true;
}

struct publisher *publish_zmq_open(const struct publisher_options *options)
{
    struct zmq_publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL)
        abort();
    publisher->base = (struct publisher){.items = 1, .offer = offer, .flush = nothing, .finish = nothing,
                                         .settled = settled, .subscribed = subscribed, .options = options};
    publisher->is_pub = strcmp(options->kind, "push") != 0;
    struct text topic = {0};
    text_add_channel_mark(&topic, options->channel, options->channel_count);
    publisher->topic = payload_build(topic);
    struct text item = {0};
    text_print(&item, options->tnetstring ? "T" : "J");
    item_add(&item, options, options->tnetstring);
    publisher->item = payload_build(item);
    publisher->context = zmq_ctx_new();
    publisher->socket = zmq_socket(publisher->context, publisher->is_pub ? ZMQ_XPUB : ZMQ_PUSH);
    int on = 1;
    int linger_ms = 0;
    int unlimited = 0;
    int small_buffer = 16384;
    zmq_setsockopt(publisher->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    if (publisher->is_pub) {
        zmq_setsockopt(publisher->socket, ZMQ_XPUB_NODROP, &on, sizeof on);
        zmq_setsockopt(publisher->socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
    }
    if (options->queue > 0) {
        int queue = (int)options->queue;
        zmq_setsockopt(publisher->socket, ZMQ_SNDHWM, &queue, sizeof queue);
        zmq_setsockopt(publisher->socket, ZMQ_SNDBUF, &small_buffer, sizeof small_buffer);
    }
    char address[64];
    snprintf(address, sizeof address, "tcp://127.0.0.1:%u", options->port);
    bool binds = strcmp(options->kind, "pub-bind") == 0;
    int result = binds ? zmq_bind(publisher->socket, address) : zmq_connect(publisher->socket, address);
    if (result == 0)
        return &publisher->base;
    fprintf(stderr, "%s %s: %s\n", binds ? "bind" : "connect", address, zmq_strerror(zmq_errno()));
    return NULL;
}
