/*
 * Connections that receive: WebSockets, held HTTP streams, long polls. They stay open over all phases and count what
 * arrives at any time (measure.h). A connection that cannot be opened or ends by itself is tallied and stays closed.
 */
#ifndef RECEIVERS_H
#define RECEIVERS_H

#include <stdbool.h>
#include <stdint.h>

enum receiver_kind { RECEIVER_WS, RECEIVER_STREAM, RECEIVER_POLL };

struct receiver_group {
    enum receiver_kind kind;
    unsigned count;
    unsigned port;
    /* Request target; `{c}` in it becomes the channel's name. */
    const char *path;
    const char *channel;
    /* Receiver i is on channel i modulo this. */
    unsigned channel_count;
    /* Sec-WebSocket-Protocol; NULL: none. */
    const char *subprotocol;
    /* WebSockets that speak the NATS protocol: they subscribe with their first frame. */
    bool nats;
    /* The first so many read only SLOW_BYTES in a SLOW_INTERVAL, while slow reading is on. */
    unsigned slow;
    /* Gets no message of a publisher: does not count into what is expected. */
    bool idle;
};

#define SLOW_BYTES 1024
#define SLOW_INTERVAL_NS (50 * 1000000ULL)

/*
 * Opens `group->count` more connections, some at a time, and returns when all are open (for NATS: subscribed) or have
 * failed. The group must stay where it is.
 */
void receivers_open(const struct receiver_group *group);

/* Open now, and of those the ones that expect messages. */
unsigned receivers_open_count(void);
unsigned receivers_expecting(void);

/* For each channel an equal number of receivers expect messages: that number, or -1 when they differ. */
long receivers_per_channel(unsigned channel_count);

/* Messages of the phase per expecting receiver, smallest and largest. */
void receivers_spread(uint64_t *smallest, uint64_t *largest);
void receivers_reset_counts(void);

/* Slow reading on: the slow ones are read only by receivers_sip. Off: they are read like all others. */
void receivers_set_slow(bool slow);
/* To be called in each turn. */
void receivers_sip(uint64_t now_ns);

#endif
