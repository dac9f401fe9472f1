/* What the receivers have got in the running phase: how many messages, and how long each took. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>

#include "histogram.h"
#include "stamp.h"

struct measure {
    uint64_t delivered;
    /* Messages that do not begin with a stamp: greetings, keep-alives. */
    uint64_t unstamped;
    /* When the last delivery was. */
    uint64_t last_ns;
    struct histogram latency;
};

extern struct measure measure;

/* `now_ns`: when it was read from the socket. Returns whether it was a stamped one. */
static inline bool measure_message(const char *text, size_t length, uint64_t now_ns)
{
    uint64_t sent_ns;
    if (!stamp_read(text, length, &sent_ns)) {
        measure.unstamped++;
        return false;
    }
    measure.delivered++;
    measure.last_ns = now_ns;
    histogram_record(&measure.latency, now_ns > sent_ns ? now_ns - sent_ns : 0);
    return true;
}

#endif
