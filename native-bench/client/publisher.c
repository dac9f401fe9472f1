#include "publisher.h"

#include <stdio.h>
#include <string.h>

struct publisher *publisher_open(const struct publisher_options *options)
{
    const char *kind = options->kind;
    if (strcmp(kind, "http") == 0 || strcmp(kind, "nchan") == 0)
        return publish_http_open(options);
    if (strcmp(kind, "push") == 0 || strcmp(kind, "pub-bind") == 0 || strcmp(kind, "pub-connect") == 0)
        return publish_zmq_open(options);
    if (strcmp(kind, "nats") == 0 || strcmp(kind, "ws") == 0)
        return publish_tcp_open(options);
    fprintf(stderr, "no such way to publish: %s\n", kind);
    return NULL;
}

unsigned publisher_next_channel(struct publisher *publisher)
{
    unsigned channel = publisher->next_channel;
    publisher->next_channel = (channel + publisher->items) % publisher->options->channel_count;
    return channel;
}
