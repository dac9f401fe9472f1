#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_text.h"
#include "loop.h"
#include "net.h"
#include "payload.h"
#include "tally.h"

#define READ_BYTES 65536
#define CHANNELS_MAX 1000

struct client {
    struct loop_source source;
    char *rest;
    size_t rest_bytes;
};

static struct loop_source listener;
static struct loop_source input;
static bool stopping = false;
static uint64_t requests = 0;
static char buffer[READ_BYTES * 2];
static struct text answer;

static void answer_with(const char *headers, const char *body, size_t length)
{
    text_print(&answer, "HTTP/1.1 200 OK\r\n%sContent-Length: %zu\r\n\r\n", headers, length);
    text_add(&answer, body, length);
}

/* The value of a query parameter; 0 bytes when there is none. `name` with its equals sign. */
static size_t parameter(const struct http_head *head, const char *name, const char **value)
{
    const char *end = head->path + head->path_bytes;
    const char *at = memchr(head->path, '?', head->path_bytes);
    size_t name_bytes = strlen(name);
    while (at != NULL && at + 1 < end) {
        const char *next = memchr(at + 1, '&', (size_t)(end - at - 1));
        const char *stop = next == NULL ? end : next;
        if ((size_t)(stop - at - 1) >= name_bytes && memcmp(at + 1, name, name_bytes) == 0) {
            *value = at + 1 + name_bytes;
            return (size_t)(stop - *value);
        }
        at = next;
    }
    return 0;
}

static void answer_open(const struct http_head *head)
{
    const char *channel;
    size_t channel_bytes = parameter(head, "channel=", &channel);
    if (channel_bytes == 0 || channel_bytes > 200) {
        answer_with("Content-Type: application/websocket-events\r\n", "OPEN\r\n", 6);
        return;
    }
    const char *channels;
    unsigned count = parameter(head, "channels=", &channels) > 0 ? (unsigned)strtoul(channels, NULL, 10) : 0;
    struct text events = {0};
    text_print(&events, "OPEN\r\n");
    for (unsigned i = 0; i < (count == 0 ? 1 : count) && i < CHANNELS_MAX; i++) {
        char control[512];
        int length = count == 0 ? snprintf(control, sizeof control, "c:{\"type\":\"subscribe\",\"channel\":\"%.*s\"}",
                                           (int)channel_bytes, channel)
                                : snprintf(control, sizeof control, "c:{\"type\":\"subscribe\",\"channel\":\"%.*s-%u\"}",
                                           (int)channel_bytes, channel, i);
        text_print(&events, "TEXT %x\r\n%s\r\n", (unsigned)length, control);
    }
    answer_with("Content-Type: application/websocket-events\r\n"
                "Sec-WebSocket-Extensions: grip; message-prefix=\"\"\r\n",
                events.bytes, events.length);
    free(events.bytes);
}

static void answer_hold(const struct http_head *head, const char *hold, const char *body)
{
    const char *channel;
    size_t channel_bytes = parameter(head, "channel=", &channel);
    char headers[512];
    snprintf(headers, sizeof headers, "Content-Type: text/plain\r\nGrip-Hold: %s\r\nGrip-Channel: %.*s\r\n", hold,
             (int)(channel_bytes > 200 ? 200 : channel_bytes), channel_bytes == 0 ? "" : channel);
    answer_with(headers, body, strlen(body));
}

static void answer_request(const struct http_head *head, const char *body, size_t length)
{
    static char plain[100];
    requests++;
    if (!head->is_get && length >= 6 && memcmp(body, "OPEN\r\n", 6) == 0) {
        answer_open(head);
    } else if (!head->is_get) {
        bool gone = length >= 10 && memcmp(body, "DISCONNECT", 10) == 0;
        answer_with("Content-Type: application/websocket-events\r\n", body, gone ? 0 : length);
    } else if (head->path_bytes >= 7 && memcmp(head->path, "/stream", 7) == 0) {
        answer_hold(head, "stream", "opened\n");
    } else if (head->path_bytes >= 5 && memcmp(head->path, "/poll", 5) == 0) {
        answer_hold(head, "response", "nothing\n");
    } else {
        memset(plain, 'x', sizeof plain);
        answer_with("Content-Type: text/plain\r\n", plain, sizeof plain);
    }
}

static void client_close(struct client *client)
{
    /* The memory stays: the turn may hold an event for it. Connections to a backend are few. */
    loop_close(&client->source);
    free(client->rest);
    client->rest = NULL;
}

/* Answers the whole requests at the front of `data`; returns how many bytes they took, -1 when malformed. */
static int64_t take_requests(const char *data, size_t length)
{
    size_t at = 0;
    struct http_head head;
    while (at < length) {
        int whole = http_head_read(data + at, length - at, &head);
        if (whole < 0)
            return -1;
        if (whole == 0)
            break;
        size_t body = head.content_length < 0 ? 0 : (size_t)head.content_length;
        if (head.chunked || body > READ_BYTES) {
            tally_add("request-not-understood", 1);
            return -1;
        }
        if (length - at < head.bytes + body)
            break;
        answer_request(&head, data + at + head.bytes, body);
        at += head.bytes + body;
    }
    return (int64_t)at;
}

static void client_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    struct client *client = (struct client *)source;
    if (client->rest_bytes > 0)
        memcpy(buffer, client->rest, client->rest_bytes);
    ssize_t got = recv(source->fd, buffer + client->rest_bytes, READ_BYTES, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        client_close(client);
        return;
    }
    size_t length = client->rest_bytes + (size_t)got;
    answer.length = 0;
    int64_t taken = take_requests(buffer, length);
    if (taken < 0) {
        client_close(client);
        return;
    }
    if (answer.length > 0 && send(source->fd, answer.bytes, answer.length, MSG_NOSIGNAL) != (ssize_t)answer.length) {
        tally_add("answer-not-taken", 1);
        client_close(client);
        return;
    }
    client->rest_bytes = length - (size_t)taken;
    if (client->rest_bytes == 0)
        return;
    char *rest = realloc(client->rest, client->rest_bytes);
    if (rest == NULL)
        abort();
    memcpy(rest, buffer + taken, client->rest_bytes);
    client->rest = rest;
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    for (;;) {
        int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL)
            abort();
        client->source = (struct loop_source){.fd = fd, .ready = client_ready};
        if (loop_add(&client->source, EPOLLIN) < 0)
            client_close(client);
    }
}

static void input_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    char drop[64];
    ssize_t got = read(source->fd, drop, sizeof drop);
    stopping = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

int backend_run(unsigned port)
{
    unsigned bound;
    listener = (struct loop_source){.fd = net_listen(port, &bound), .ready = listener_ready};
    if (listener.fd < 0 || loop_add(&listener, EPOLLIN) < 0) {
        perror("listen");
        return 1;
    }
    input = (struct loop_source){.fd = STDIN_FILENO, .ready = input_ready};
    fcntl(input.fd, F_SETFL, O_NONBLOCK);
    if (loop_add(&input, EPOLLIN) < 0) {
        perror("standard input");
        return 1;
    }
    printf("{\"event\":\"ready\",\"port\":%u}\n", bound);
    fflush(stdout);
    while (!stopping)
        loop_turn(-1);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"event\":\"result\",\"requests\":%llu,\"cpu_seconds\":%.6f,\"errors\":", (unsigned long long)requests, cpu);
    tally_print(stdout);
    puts("}");
    return 0;
}
