/*
 * One phase of load: for some seconds a publisher publishes, or trips are made; then everything under way ends
 * ("drained") and the figures are printed as one JSON object on one line.
 */
#ifndef PHASE_H
#define PHASE_H

#include <stdbool.h>
#include <stdint.h>

#include "publisher.h"

struct phase_options {
    uint64_t duration_ns;
    /* Messages per second, open loop; 0: as fast as the server accepts. */
    uint64_t rate;
    /*
     * Without a rate: publishes whose deliveries have not all come, at most; 0: no limit. It keeps a server that accepts
     * everything at once from being measured on its own queues. For the same reason there are never more than the server
     * delivers in WINDOW_NS at its pace so far, or WINDOW_MIN. Nothing delivered for WINDOW_LOST_NS: what is missing counts
     * as lost, and publishing goes on.
     */
    uint64_t window;
    /* Nothing has come for so long: what is missing will not come. */
    uint64_t stall_ns;
    /*
     * Others publish too, so nobody knows what is to come: the phase has drained when nothing has come for the stall time.
     */
    bool settle;
    /* The slow receivers are slow until publishing ends. */
    bool slow;
};

#define WINDOW_NS (250 * 1000000ULL)
#define WINDOW_MIN 8
#define WINDOW_LOST_NS (1500 * 1000000ULL)

/* `publisher` may be NULL; `trips`: whether trips_prepare was called. */
void phase_run(const struct phase_options *options, struct publisher *publisher, bool trips);

#endif
