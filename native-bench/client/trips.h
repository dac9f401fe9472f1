/*
 * Round trips on some connections, each of which begins the next as soon as one is done:
 *
 * TRIP_ECHO     a WebSocket message until it has come back
 * TRIP_REQUEST  a GET until its answer is whole, keep-alive
 * TRIP_OPEN     a TCP connection and a WebSocket until its 101; then it is closed (close frame first), which nobody
 *               waits for, and the next one is opened
 *
 * Their times go to measure.latency, their number to measure.delivered. What fails is tallied; that connection is
 * opened again, so that the load stays.
 */
#ifndef TRIPS_H
#define TRIPS_H

#include <stdbool.h>
#include <stddef.h>

enum trip_kind { TRIP_ECHO, TRIP_REQUEST, TRIP_OPEN };

struct trip_options {
    enum trip_kind kind;
    unsigned connections;
    unsigned port;
    const char *path;
    /* Of an echoed message. */
    size_t message_bytes;
};

/* Opens the connections (not for TRIP_OPEN) and waits for them; false when not all could be opened. */
bool trips_prepare(const struct trip_options *options);

/* From here on they make trips; from stop on they end the ones under way. */
void trips_start(void);
void trips_stop(void);

/* Trips under way, closings included. */
unsigned trips_under_way(void);

#endif
