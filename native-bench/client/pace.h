/*
 * An open-loop schedule: message i is due at start + i / rate, whatever happened to the ones before it. Latencies are
 * counted from there, so a server (or this client) that stalls is charged for every message that had to wait.
 */
#ifndef PACE_H
#define PACE_H

#include "clock.h"

struct pace {
    uint64_t start_ns;
    uint64_t per_second;
};

/* When message i is due. Exact for 18,000,000,000 messages. */
static inline uint64_t pace_time(const struct pace *pace, uint64_t i)
{
    return pace->start_ns + i * NS_PER_SECOND / pace->per_second;
}

/* How many messages are due at `now_ns`: those with pace_time <= now_ns. */
static inline uint64_t pace_due(const struct pace *pace, uint64_t now_ns)
{
    if (now_ns < pace->start_ns)
        return 0;
    uint64_t elapsed = now_ns - pace->start_ns;
    uint64_t due = elapsed / NS_PER_SECOND * pace->per_second + elapsed % NS_PER_SECOND * pace->per_second / NS_PER_SECOND;
    while (pace_time(pace, due) <= now_ns)
        due++;
    return due;
}

#endif
