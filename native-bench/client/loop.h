/*
 * One epoll set, level-triggered, for the one thread. A source is embedded in what owns the descriptor; its `ready` may
 * be called once more in the turn in which it was removed, so it must stand that (reads then give EAGAIN or EBADF).
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdint.h>
#include <sys/epoll.h>

struct loop_source {
    int fd;
    void (*ready)(struct loop_source *source, uint32_t events);
};

/* Must be called first. Ends the process when there is no epoll. */
void loop_open(void);

/* `events`: EPOLLIN, EPOLLOUT. -1 with errno when the descriptor cannot be waited for (EPERM: a file). */
int loop_add(struct loop_source *source, uint32_t events);
void loop_change(struct loop_source *source, uint32_t events);

/* Removes and closes it. Nothing happens when it is closed already (fd -1). */
void loop_close(struct loop_source *source);

/* One turn: waits until something is ready or for `timeout_ns` (-1: forever), and calls what is ready. */
void loop_turn(int64_t timeout_ns);

/* Time that turns have spent waiting since the start: what is missing to the time that has passed, was work. */
uint64_t loop_waited_ns(void);

#endif
