/*
 * The event loop, timers and signals: libev behind our own names, so that
 * nothing above io/ knows it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* NULL: no memory, or no epoll. */
struct loop *loop_new(void);
void loop_free(struct loop **loop);
/* Until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Called once before each wait: the place to free what callbacks only marked.
 * One function per loop. */
void loop_on_turn(struct loop *loop, void (*turn)(void *arg), void *arg);

/* Microseconds of a clock that never steps; and since 1970. */
uint64_t loop_mono_us(void);
uint64_t loop_wall_us(void);

/* A timer that fires once.  The caller's callback may start it again. */
struct loop_timer;
struct loop_timer *loop_timer_new(
    struct loop *loop, void (*fire)(void *arg), void *arg);
void loop_timer_free(struct loop_timer **timer);
void loop_timer_start(struct loop_timer *timer, uint32_t ms);
void loop_timer_stop(struct loop_timer *timer);

/* A descriptor that somebody else reads and writes: a listener, a pipe, a
 * library's socket. */
struct loop_watch;
struct loop_watch *loop_watch_new(
    struct loop *loop, int fd, void (*ready)(void *arg), void *arg);
void loop_watch_free(struct loop_watch **watch);
void loop_watch_start(struct loop_watch *watch);
void loop_watch_stop(struct loop_watch *watch);
/* What to wait for instead of reading alone, as at first; takes effect at once
 * where the watch is started. */
void loop_watch_want(struct loop_watch *watch, bool read, bool write);
/* Within `ready`: what the descriptor is ready for. */
bool loop_watch_is_readable(const struct loop_watch *watch);
bool loop_watch_is_writable(const struct loop_watch *watch);

#endif
