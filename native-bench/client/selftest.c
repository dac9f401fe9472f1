/*
 * The load client's self-test: `selftest SEED`. Each check that fails is printed; the exit code is 1 then. The seed drives the
 * random inputs and split points, so that a failure can be played again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"
#include "http_text.h"
#include "item.h"
#include "lines.h"
#include "measure.h"
#include "pace.h"
#include "payload.h"
#include "stamp.h"
#include "ws_frame.h"

static int failures = 0;
static uint64_t random_state;

#define CHECK(condition) check((condition), #condition, __LINE__)

static void check(bool holds, const char *text, int line)
{
    if (holds)
        return;
    failures++;
    printf("line %d: %s\n", line, text);
}

/* xorshift64* */
static uint64_t random_next(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717ULL;
}

static struct histogram histogram;

static void test_histogram(void)
{
    histogram_reset(&histogram);
    CHECK(histogram_percentile(&histogram, 0.5) == 0);
    for (uint64_t value = 1; value <= 200; value++)
        histogram_record(&histogram, value);
    CHECK(histogram_percentile(&histogram, 0.5) == 100);
    CHECK(histogram_percentile(&histogram, 0.99) == 198);
    CHECK(histogram_percentile(&histogram, 0.999) == 200);
    CHECK(histogram_percentile(&histogram, 1) == 200);
    CHECK(histogram.sum == 20100 && histogram.count == 200 && histogram.max == 200);
    for (int i = 0; i < 100000; i++) {
        uint64_t value = random_next() >> (random_next() % 64);
        size_t bucket = histogram_bucket(value);
        uint64_t top = histogram_bucket_top(bucket);
        CHECK(bucket < HISTOGRAM_BUCKETS);
        CHECK(top >= value && top - value <= value / 128);
        CHECK(bucket == 0 || histogram_bucket_top(bucket - 1) < value);
    }
    histogram_record(&histogram, UINT64_MAX);
    CHECK(histogram_percentile(&histogram, 1) == UINT64_MAX);
}

static void test_pace(void)
{
    struct pace pace = {.start_ns = 1000, .per_second = 3};
    CHECK(pace_due(&pace, 999) == 0);
    CHECK(pace_due(&pace, 1000) == 1);
    CHECK(pace_due(&pace, 1000 + 333333333) == 2);
    CHECK(pace_due(&pace, 1000 + 333333332) == 1);
    CHECK(pace_due(&pace, 1000 + NS_PER_SECOND) == 4);
    for (int i = 0; i < 100000; i++) {
        pace = (struct pace){.start_ns = random_next() >> 20, .per_second = 1 + random_next() % 2000000};
        uint64_t now_ns = pace.start_ns + random_next() % (100 * NS_PER_SECOND);
        uint64_t due = pace_due(&pace, now_ns);
        CHECK(pace_time(&pace, due - 1) <= now_ns && pace_time(&pace, due) > now_ns);
    }
}

static void test_stamp(void)
{
    char text[STAMP_BYTES];
    uint64_t read = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_next() >> (random_next() % 64);
        stamp_write(text, value);
        CHECK(stamp_read(text, sizeof text, &read) && read == value);
        CHECK(!stamp_read(text, sizeof text - 1, &read));
        text[random_next() % STAMP_BYTES] = "gG:/`@\n\0"[random_next() % 8];
        CHECK(!stamp_read(text, sizeof text, &read));
    }
}

/* A server's frame: no mask. */
static size_t server_frame(uint8_t *out, size_t payload)
{
    uint8_t head[WS_CLIENT_HEAD_MAX];
    size_t length = ws_frame_head(head, WS_TEXT, payload) - 4;
    head[1] &= 0x7f;
    memcpy(out, head, length);
    memset(out + length, 'x', payload);
    return length + payload;
}

static void test_frames(void)
{
    static uint8_t bytes[70000];
    const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t length = server_frame(bytes, sizes[i]);
        struct ws_frame frame;
        CHECK(ws_frame_read(bytes, length, &frame) == 1);
        CHECK(frame.opcode == WS_TEXT && frame.fin && frame.payload_bytes == sizes[i]);
        CHECK(frame.head_bytes + frame.payload_bytes == length);
        for (size_t part = 0; part < length; part += 1 + part / 20)
            CHECK(ws_frame_read(bytes, part, &frame) == 0);
        CHECK(ws_frame_read(bytes, length - 1, &frame) == 0);
    }
    const uint8_t masked[] = {0x81, 0x80, 0, 0, 0, 0};
    const uint8_t endless[] = {0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0};
    struct ws_frame frame;
    CHECK(ws_frame_read(masked, sizeof masked, &frame) == -1);
    CHECK(ws_frame_read(endless, sizeof endless, &frame) == -1);
    CHECK(ws_frame_head(bytes, WS_BINARY, 5) == 6 && bytes[0] == 0x82 && bytes[1] == 0x85);
}

static void test_heads(void)
{
    const char answer[] = "HTTP/1.1 404 Not Found\r\nConnection: Close\r\ncontent-LENGTH: 12\r\n\r\nbody";
    struct http_head head;
    CHECK(http_head_read(answer, strlen(answer), &head) == 1);
    CHECK(head.status == 404 && head.closes && head.content_length == 12 && !head.chunked);
    CHECK(head.bytes == strlen(answer) - 4);
    for (size_t part = 0; part < head.bytes; part++)
        CHECK(http_head_read(answer, part, &head) == 0);
    const char request[] = "GET /ws?channel=a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
    CHECK(http_head_read(request, strlen(request), &head) == 1);
    CHECK(head.status == 0 && head.is_get && head.chunked && head.content_length == -1);
    CHECK(head.path_bytes == 13 && memcmp(head.path, "/ws?channel=a", 13) == 0);
    CHECK(http_head_read("nothing\r\n\r\n", 11, &head) == -1);
}

/* Takes `length` bytes in pieces that end at random places; returns the content's length, -1 when malformed. */
static long unchunk(const char *data, size_t length, char *out, bool *done)
{
    struct http_chunks chunks = {0};
    size_t at = 0;
    size_t content = 0;
    while (at < length && !chunks.done) {
        size_t part = 1 + random_next() % (length - at);
        const char *piece;
        size_t piece_bytes;
        int64_t taken = http_chunks_take(&chunks, data + at, part, &piece, &piece_bytes);
        if (taken < 0)
            return -1;
        if (piece_bytes > 0)
            memcpy(out + content, piece, piece_bytes);
        content += piece_bytes;
        at += (size_t)taken;
    }
    *done = chunks.done;
    return (long)content;
}

static void test_chunks(void)
{
    const char body[] = "5\r\nhello\r\n1;x=y\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    char out[64];
    bool done = false;
    for (int i = 0; i < 2000; i++) {
        CHECK(unchunk(body, strlen(body), out, &done) == 16 && done);
        CHECK(memcmp(out, "hello 0123456789", 16) == 0);
    }
    CHECK(unchunk(body, strlen(body) - 1, out, &done) == 16 && !done);
    CHECK(unchunk("x\r\n", 3, out, &done) == -1);
    CHECK(unchunk("fffffffffffffffff\r\n", 19, out, &done) == -1);
}

/* Feeds pieces that end at random places; returns the messages counted. */
static uint64_t feed(const char *data, size_t length, bool nats, struct nats_events *events)
{
    struct lines lines = {0};
    uint64_t messages = 0;
    for (size_t at = 0; at < length;) {
        size_t part = 1 + random_next() % (length - at);
        if (nats)
            lines_take_nats(&lines, data + at, part, 5000, events);
        else
            messages += lines_take(&lines, data + at, part, 5000);
        at += part;
    }
    return nats ? events->messages : messages;
}

static void test_lines(void)
{
    struct text text = {0};
    text_print(&text, "opened\n");
    for (int i = 0; i < 20; i++)
        text_print(&text, "%016x%0*d\n", 1000, i * 20 + 1, 0);
    for (int i = 0; i < 2000; i++) {
        measure = (struct measure){0};
        CHECK(feed(text.bytes, text.length, false, NULL) == 20);
        CHECK(measure.delivered == 20 && measure.unstamped == 1 && measure.latency.max == 4000);
    }
    free(text.bytes);
}

static void test_nats(void)
{
    struct text text = {0};
    text_print(&text, "INFO {\"a\":1}\r\nPONG\r\n");
    for (int i = 0; i < 20; i++)
        text_print(&text, "MSG bench.%d 1 %d\r\n%016x%0*d\r\n", i, 16 + i * 20 + 1, 1000, i * 20 + 1, 0);
    text_print(&text, "PING\r\n");
    for (int i = 0; i < 2000; i++) {
        measure = (struct measure){0};
        struct nats_events events = {0};
        CHECK(feed(text.bytes, text.length, true, &events) == 20);
        CHECK(measure.delivered == 20 && measure.unstamped == 0 && measure.latency.max == 4000);
        CHECK(events.pong && events.ping && !events.error);
    }
    struct nats_events events = {0};
    feed("-ERR 'x'\r\n", 10, true, &events);
    CHECK(events.error);
    free(text.bytes);
}

static void test_payload(void)
{
    struct publisher_options options = {.for_ws = true, .for_streams = true, .channel = "c", .channel_count = 100,
                                        .message_bytes = 20};
    struct text text = {0};
    item_add(&text, &options, false);
    struct payload payload = payload_build(text);
    payload_fill(&payload, 99, 100, 0xabc);
    const char json[] = "{\"channel\":\"c-000099\",\"formats\":{\"ws-message\":{\"content\":\"0000000000000abcxxxx\"},"
                        "\"http-stream\":{\"content\":\"0000000000000abcxxx\\n\"}}}";
    CHECK(payload.length == strlen(json) && memcmp(payload.bytes, json, payload.length) == 0);

    options.for_streams = false;
    struct text tnetstring = {0};
    item_add(&tnetstring, &options, true);
    payload = payload_build(tnetstring);
    payload_fill(&payload, 7, 100, 1);
    const char item[] = "87:7:channel,8:c-000007,7:formats,52:10:ws-message,34:7:content,20:0000000000000001xxxx,}}}";
    CHECK(payload.length == strlen(item) && memcmp(payload.bytes, item, payload.length) == 0);

    struct text two = {0};
    text_add_channel_mark(&two, "a", 3);
    text_add_channel_mark(&two, "a", 3);
    payload = payload_build(two);
    payload_fill(&payload, 2, 3, 0);
    CHECK(payload.length == 16 && memcmp(payload.bytes, "a-000002a-000000", 16) == 0);
}

/* Whatever comes in, the readers stay inside of it (the sanitizers watch) and come to an end. */
static void test_noise(void)
{
    static const char alphabet[] = "0123456789abcdef\r\n\r\n  ;:MSG PING HTTP/1.1 200";
    static char noise[512];
    static char out[512];
    for (int i = 0; i < 20000; i++) {
        size_t length = 1 + random_next() % sizeof noise;
        for (size_t at = 0; at < length; at++)
            noise[at] = random_next() % 8 == 0 ? (char)random_next() : alphabet[random_next() % (sizeof alphabet - 1)];
        struct http_head head;
        if (http_head_read(noise, length, &head) == 1)
            CHECK(head.bytes <= length);
        struct ws_frame frame;
        if (ws_frame_read((uint8_t *)noise, length, &frame) == 1)
            CHECK(frame.head_bytes + frame.payload_bytes <= length);
        bool done;
        CHECK(unchunk(noise, length, out, &done) <= (long)length);
        struct nats_events events = {0};
        feed(noise, length, false, NULL);
        feed(noise, length, true, &events);
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    random_state = seed * 2 + 1;
    test_histogram();
    test_pace();
    test_stamp();
    test_frames();
    test_heads();
    test_chunks();
    test_lines();
    test_nats();
    test_payload();
    test_noise();
    printf("seed %" PRIu64 ": %s\n", seed, failures == 0 ? "all checks hold" : "FAILED");
    return failures == 0 ? 0 : 1;
}
