#include "loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "clock.h"

#define EVENTS_PER_TURN 1024

static int epoll_fd = -1;
static uint64_t waited_ns = 0;

void loop_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        perror("epoll_create1");
        exit(1);
    }
    /* The default slack of 50 microseconds would make every paced message late. */
    prctl(PR_SET_TIMERSLACK, 1UL);
}

int loop_add(struct loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, source->fd, &event);
}

void loop_change(struct loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

void loop_close(struct loop_source *source)
{
    if (source->fd < 0)
        return;
    close(source->fd);
    source->fd = -1;
}

void loop_turn(int64_t timeout_ns)
{
    static struct epoll_event events[EVENTS_PER_TURN];
    struct timespec timeout = {.tv_sec = timeout_ns / (int64_t)NS_PER_SECOND,
                               .tv_nsec = timeout_ns % (int64_t)NS_PER_SECOND};
    uint64_t before_ns = timeout_ns == 0 ? 0 : clock_now();
    int ready = epoll_pwait2(epoll_fd, events, EVENTS_PER_TURN, timeout_ns < 0 ? NULL : &timeout, NULL);
    if (timeout_ns != 0)
        waited_ns += clock_now() - before_ns;
    if (ready < 0 && errno != EINTR) {
        perror("epoll_pwait2");
        exit(1);
    }
    for (int i = 0; i < ready; i++) {
        struct loop_source *source = events[i].data.ptr;
        if (source->fd >= 0)
            source->ready(source, events[i].events);
    }
}

uint64_t loop_waited_ns(void)
{
    return waited_ns;
}
