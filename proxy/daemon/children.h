/*
 * The monitor's children: who is started, by whose orders, and what becomes of
 * their places.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef DAEMON_CHILDREN_H
#define DAEMON_CHILDREN_H

#include "daemon/monitor.h"

/* Nobody runs yet. */
void children_init(struct monitor *monitor);
/* Starts what is due; returns how many milliseconds to wait for the next, or
 * -1. */
int children_respawn(struct monitor *monitor);
/* After SIGCHLD. */
void children_reap(struct monitor *monitor);
/* Workers that run, of every generation. */
unsigned children_workers(const struct monitor *monitor);
void children_order_all(struct monitor *monitor, enum worker_order order);
void children_kill_all(struct monitor *monitor);

/* Slots are workers' places: each has a ring, a counter, a table.  A slot is a
 * generation's until its worker has ended and is not started again. */
unsigned children_free_slots(const struct monitor *monitor);
/* The lowest, since those have their rings already.  Returns the number behind
 * the last one. */
unsigned children_take_slots(
    struct monitor *monitor, struct generation *generation, unsigned count);
/* Those of workers that do not run. */
void children_give_slots_back(
    struct monitor *monitor, const struct generation *generation);

/* As soon as a worker of the newest generation runs, those of the generations
 * before accept no more, and end when their sessions have. */
void children_retire_older(struct monitor *monitor);
/* Says what became of the generations before; forgets those that are over. */
void children_settle(struct monitor *monitor);

/* The logger ends when it has written what waits; the next one, with the rings
 * and sinks of now, is started in its place. */
void children_change_logger(struct monitor *monitor);
/* At the end: returns when the last line is written. */
void children_stop_logger(struct monitor *monitor);

#endif
