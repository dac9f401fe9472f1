/*
 * The load client: `loadclient OPTIONS`, or `loadclient backend PORT` (backend.h).
 *
 * It opens what the options say, prints {"event":"ready",…}, and then does what it is told on standard input, one
 * command per line, each answered by one line of JSON:
 *
 *   run seconds=3 [rate=N] [window=N] [stall=3] [slow=1] [settle=1]   a phase (phase.h): prints its result
 *   open count=N                                           N more of the first group of receivers: prints ready
 *   quit, or the end of input                              ends
 *
 * Receivers:  --ws=N --streams=N --polls=N --idle=N (WebSockets that nothing is published to), each with
 *             --ws-path=… --stream-path=… --poll-path=… --idle-path=…, --idle-channels=N; --nats, --subprotocol=NAME,
 *             --slow=N
 * Publisher:  --publish=KIND (publisher.h) --publish-port=N --publish-items=N --publish-connections=N --tnetstring
 *             --publish-queue=N: publisher.h
 *             --for-both: items for WebSockets and for streams, whatever receivers there are here
 * Trips:      --echo=N or --requests=N or --opens=N (trips.h), --path=…
 * All:        --port=N --channel=NAME --channels=N --size=BYTES
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "clock.h"
#include "loop.h"
#include "net.h"
#include "phase.h"
#include "publisher.h"
#include "receivers.h"
#include "stamp.h"
#include "tally.h"
#include "trips.h"

#define SUBSCRIBED_NS (20 * NS_PER_SECOND)

static struct receiver_group ws = {.kind = RECEIVER_WS, .path = "/ws?channel={c}"};
static struct receiver_group streams = {.kind = RECEIVER_STREAM, .path = "/stream?channel={c}"};
static struct receiver_group polls = {.kind = RECEIVER_POLL, .path = "/poll?channel={c}"};
static struct receiver_group idle = {.kind = RECEIVER_WS, .path = "/ws?channel={c}", .idle = true,
                                     .channel = "idle", .channel_count = 1};
static struct publisher_options publishing = {.connections = 1, .items = 1, .channel = "bench", .channel_count = 1,
                                              .message_bytes = 64};
static bool for_both = false;
static struct trip_options tripping = {.path = "/"};

static _Noreturn void usage(const char *fault)
{
    fprintf(stderr, "%s; the options stand at the top of main.c\n", fault);
    exit(2);
}

static unsigned number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value > 1000000000)
        usage("a number is expected");
    return (unsigned)value;
}

static void trip(enum trip_kind kind, const char *connections)
{
    tripping.kind = kind;
    tripping.connections = number(connections);
}

/* False: no such option. */
static bool take_receiver_option(const char *name, const char *value)
{
    if (strcmp(name, "ws") == 0)
        ws.count = number(value);
    else if (strcmp(name, "streams") == 0)
        streams.count = number(value);
    else if (strcmp(name, "polls") == 0)
        polls.count = number(value);
    else if (strcmp(name, "idle") == 0)
        idle.count = number(value);
    else if (strcmp(name, "ws-path") == 0)
        ws.path = value;
    else if (strcmp(name, "stream-path") == 0)
        streams.path = value;
    else if (strcmp(name, "poll-path") == 0)
        polls.path = value;
    else if (strcmp(name, "idle-path") == 0)
        idle.path = value;
    else if (strcmp(name, "idle-channels") == 0)
        idle.channel_count = number(value);
    else if (strcmp(name, "slow") == 0)
        ws.slow = number(value);
    else if (strcmp(name, "nats") == 0)
        ws.nats = idle.nats = true;
    else if (strcmp(name, "subprotocol") == 0)
        ws.subprotocol = idle.subprotocol = value;
    else
        return false;
    return true;
}

static bool take_publisher_option(const char *name, const char *value)
{
    if (strcmp(name, "publish") == 0)
        publishing.kind = value;
    else if (strcmp(name, "publish-port") == 0)
        publishing.port = number(value);
    else if (strcmp(name, "publish-items") == 0)
        publishing.items = number(value);
    else if (strcmp(name, "publish-connections") == 0)
        publishing.connections = number(value);
    else if (strcmp(name, "publish-queue") == 0)
        publishing.queue = number(value);
    else if (strcmp(name, "tnetstring") == 0)
        publishing.tnetstring = true;
    else if (strcmp(name, "for-both") == 0)
        for_both = true;
    else if (strcmp(name, "channel") == 0)
        publishing.channel = value;
    else if (strcmp(name, "channels") == 0)
        publishing.channel_count = number(value);
    else if (strcmp(name, "size") == 0)
        publishing.message_bytes = number(value);
    else
        return false;
    return true;
}

static bool take_trip_option(const char *name, const char *value)
{
    if (strcmp(name, "echo") == 0)
        trip(TRIP_ECHO, value);
    else if (strcmp(name, "requests") == 0)
        trip(TRIP_REQUEST, value);
    else if (strcmp(name, "opens") == 0)
        trip(TRIP_OPEN, value);
    else if (strcmp(name, "path") == 0)
        tripping.path = value;
    else if (strcmp(name, "port") == 0)
        ws.port = streams.port = polls.port = idle.port = tripping.port = number(value);
    else
        return false;
    return true;
}

static void take_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            usage("an option begins with two dashes");
        char *name = argv[i] + 2;
        char *equals = strchr(name, '=');
        const char *value = "";
        if (equals != NULL) {
            *equals = '\0';
            value = equals + 1;
        }
        if (!take_receiver_option(name, value) && !take_publisher_option(name, value) && !take_trip_option(name, value))
            usage(name);
    }
    if (publishing.message_bytes < STAMP_BYTES + 1 || publishing.channel_count == 0 || publishing.items == 0 ||
        publishing.connections == 0 || idle.channel_count == 0)
        usage("size must be 17 at least, and channels, items and connections 1");
    ws.channel = streams.channel = polls.channel = publishing.channel;
    ws.channel_count = streams.channel_count = polls.channel_count = publishing.channel_count;
    publishing.for_streams = for_both || streams.count > 0;
    publishing.for_ws = for_both || ws.count > 0 || streams.count == 0;
    tripping.message_bytes = publishing.message_bytes;
}

static void print_ready(const struct publisher *publisher)
{
    printf("{\"event\":\"ready\",\"receivers\":%u,\"expecting\":%u,\"publisher\":%s,\"errors\":",
           receivers_open_count(), receivers_expecting(), publisher == NULL ? "false" : "true");
    tally_print(stdout);
    puts("}");
    fflush(stdout);
}

/* A publisher that sees subscriptions waits until every channel with a receiver has come. */
static void await_subscriptions(struct publisher *publisher)
{
    if (receivers_expecting() == 0)
        return;
    uint64_t end_ns = clock_now() + SUBSCRIBED_NS;
    while (publisher->subscribed(publisher) < publishing.channel_count) {
        if (clock_now() > end_ns) {
            tally_add_numbered("not-all-channels-subscribed", (int)publisher->subscribed(publisher), 1);
            return;
        }
        loop_turn(5 * (int64_t)NS_PER_MS);
    }
}

/* Commands: what comes on standard input, line by line. */
static struct loop_source input = {.fd = STDIN_FILENO};
static char line[1024];
static size_t line_bytes = 0;
static bool ended = false;

static void input_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    ssize_t got = read(source->fd, line + line_bytes, sizeof line - line_bytes);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        ended = true;
        source->fd = -1;
    } else if (got > 0) {
        line_bytes += (size_t)got;
    }
}

static double value_of(const char *command, const char *name, double otherwise)
{
    const char *at = strstr(command, name);
    return at == NULL ? otherwise : strtod(at + strlen(name), NULL);
}

/* False: quit. */
static bool obey(const char *command, struct publisher *publisher)
{
    if (strncmp(command, "run", 3) == 0) {
        struct phase_options phase = {
            .duration_ns = (uint64_t)(value_of(command, " seconds=", 3) * 1e9),
            .rate = (uint64_t)value_of(command, " rate=", 0),
            .window = (uint64_t)value_of(command, " window=", 0),
            .stall_ns = (uint64_t)(value_of(command, " stall=", 3) * 1e9),
            .settle = value_of(command, " settle=", 0) != 0,
            .slow = value_of(command, " slow=", 0) != 0,
        };
        phase_run(&phase, publisher, tripping.connections > 0);
        return true;
    }
    if (strncmp(command, "open", 4) == 0) {
        struct receiver_group *more = malloc(sizeof *more);
        if (more == NULL)
            abort();
        *more = ws.count > 0 ? ws : streams.count > 0 ? streams : idle;
        more->count = (unsigned)value_of(command, " count=", 0);
        receivers_open(more);
        print_ready(publisher);
        return true;
    }
    if (strcmp(command, "quit") != 0)
        fprintf(stderr, "no such command: %s\n", command);
    return false;
}

static void take_commands(struct publisher *publisher)
{
    input.ready = input_ready;
    fcntl(input.fd, F_SETFL, O_NONBLOCK);
    bool is_file = loop_add(&input, EPOLLIN) < 0;
    for (;;) {
        char *newline = memchr(line, '\n', line_bytes);
        if (newline != NULL) {
            *newline = '\0';
            if (!obey(line, publisher))
                return;
            line_bytes -= (size_t)(newline + 1 - line);
            memmove(line, newline + 1, line_bytes);
        } else if (ended || line_bytes == sizeof line) {
            return;
        } else if (is_file) {
            input_ready(&input, EPOLLIN);
        } else {
            loop_turn(-1);
        }
    }
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    net_raise_limit();
    loop_open();
    if (argc == 3 && strcmp(argv[1], "backend") == 0)
        return backend_run(number(argv[2]));
    take_options(argc, argv);
    struct receiver_group *groups[] = {&ws, &streams, &polls, &idle};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        receivers_open(groups[i]);
    if (tripping.connections > 0 && !trips_prepare(&tripping)) {
        fputs("not all connections could be opened: ", stderr);
        tally_print(stderr);
        fputc('\n', stderr);
        return 1;
    }
    struct publisher *publisher = NULL;
    if (publishing.kind != NULL) {
        publisher = publisher_open(&publishing);
        if (publisher == NULL)
            return 1;
        await_subscriptions(publisher);
    }
    print_ready(publisher);
    take_commands(publisher);
    return 0;
}
