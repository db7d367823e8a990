/*
 * libev, wrapped.  See loop.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/loop_private.h"

#include "base/magic.h"

#include <stdlib.h>
#include <time.h>

enum {
	TIMER_MAGIC = 0x71e70001,
	WATCH_MAGIC = 0x71e70002,
	LOOP_MAGIC = 0x71e70003
};

struct loop {
	unsigned magic;
	struct ev_loop *ev;
	ev_prepare prepare;
	void (*turn)(void *arg);
	void *turn_arg;
};

struct loop_timer {
	unsigned magic;
	ev_timer ev;
	struct loop *loop;
	void (*fire)(void *arg);
	void *arg;
};

struct loop_watch {
	unsigned magic;
	ev_io ev;
	struct loop *loop;
	int events; /* that `ready` is called for */
	void (*ready)(void *arg);
	void *arg;
};

struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return NULL;
	loop->magic = LOOP_MAGIC;
	loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (loop->ev == NULL) {
		free(loop);
		return NULL;
	}
	return loop;
}

void
loop_free(struct loop **loop_p)
{
	if (*loop_p == NULL)
		return;
	ev_loop_destroy((*loop_p)->ev);
	free(*loop_p);
	*loop_p = NULL;
}

struct ev_loop *
loop_ev(struct loop *loop)
{
	return loop->ev;
}

void
loop_run(struct loop *loop)
{
	ev_run(loop->ev, 0);
}

void
loop_stop(struct loop *loop)
{
	ev_break(loop->ev, EVBREAK_ALL);
}

static void
on_prepare(struct ev_loop *ev, ev_prepare *watcher, int events)
{
	struct loop *loop;

	(void)ev;
	(void)events;
	MAGIC_CAST(loop, watcher->data, LOOP_MAGIC);
	loop->turn(loop->turn_arg);
}

void
loop_on_turn(struct loop *loop, void (*turn)(void *arg), void *arg)
{
	loop->turn = turn;
	loop->turn_arg = arg;
	ev_prepare_init(&loop->prepare, on_prepare);
	loop->prepare.data = loop;
	ev_prepare_start(loop->ev, &loop->prepare);
	/* It must not keep the loop alive by itself. */
	ev_unref(loop->ev);
}

static uint64_t
clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
loop_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

uint64_t
loop_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

static void
on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
	struct loop_timer *timer;

	(void)ev;
	(void)events;
	MAGIC_CAST(timer, watcher->data, TIMER_MAGIC);
	timer->fire(timer->arg);
}

struct loop_timer *
loop_timer_new(struct loop *loop, void (*fire)(void *arg), void *arg)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	if (timer == NULL)
		return NULL;
	timer->magic = TIMER_MAGIC;
	timer->loop = loop;
	timer->fire = fire;
	timer->arg = arg;
	ev_timer_init(&timer->ev, on_timer, 0., 0.);
	timer->ev.data = timer;
	return timer;
}

void
loop_timer_free(struct loop_timer **timer_p)
{
	struct loop_timer *timer = *timer_p;

	if (timer == NULL)
		return;
	ev_timer_stop(timer->loop->ev, &timer->ev);
	timer->magic = 0;
	free(timer);
	*timer_p = NULL;
}

void
loop_timer_start(struct loop_timer *timer, uint32_t ms)
{
	ev_timer_stop(timer->loop->ev, &timer->ev);
	ev_timer_set(&timer->ev, ms / 1000., 0.);
	ev_timer_start(timer->loop->ev, &timer->ev);
}

void
loop_timer_stop(struct loop_timer *timer)
{
	ev_timer_stop(timer->loop->ev, &timer->ev);
}

static void
on_watch(struct ev_loop *ev, ev_io *watcher, int events)
{
	struct loop_watch *watch;

	(void)ev;
	MAGIC_CAST(watch, watcher->data, WATCH_MAGIC);
	watch->events = events;
	watch->ready(watch->arg);
}

struct loop_watch *
loop_watch_new(struct loop *loop, int fd, void (*ready)(void *arg), void *arg)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	watch->magic = WATCH_MAGIC;
	watch->loop = loop;
	watch->ready = ready;
	watch->arg = arg;
	ev_io_init(&watch->ev, on_watch, fd, EV_READ);
	watch->ev.data = watch;
	return watch;
}

void
loop_watch_free(struct loop_watch **watch_p)
{
	struct loop_watch *watch = *watch_p;

	if (watch == NULL)
		return;
	ev_io_stop(watch->loop->ev, &watch->ev);
	watch->magic = 0;
	free(watch);
	*watch_p = NULL;
}

void
loop_watch_start(struct loop_watch *watch)
{
	ev_io_start(watch->loop->ev, &watch->ev);
}

void
loop_watch_stop(struct loop_watch *watch)
{
	ev_io_stop(watch->loop->ev, &watch->ev);
}

void
loop_watch_want(struct loop_watch *watch, bool read, bool write)
{
	bool active = ev_is_active(&watch->ev);

	/* libev forbids to change a watcher that is active. */
	ev_io_stop(watch->loop->ev, &watch->ev);
	ev_io_modify(&watch->ev, (read ? EV_READ : 0) | (write ? EV_WRITE : 0));
	if (active)
		ev_io_start(watch->loop->ev, &watch->ev);
}

bool
loop_watch_is_readable(const struct loop_watch *watch)
{
	return (watch->events & EV_READ) != 0;
}

bool
loop_watch_is_writable(const struct loop_watch *watch)
{
	return (watch->events & EV_WRITE) != 0;
}
