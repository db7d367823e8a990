/*
 * DNS for tools.  See resolver_fill.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "io/resolver_fill.h"

struct fill {
	struct loop *loop;
	struct dns_book *book;
	unsigned waiting;
};

static void
on_answer(void *arg, const struct dns_question *question,
    const struct dns_answer *answer)
{
	struct fill *fill = arg;

	dns_book_answer(fill->book, question, answer);
	if (--fill->waiting == 0)
		loop_stop(fill->loop);
}

bool
resolver_fill(
    const struct resolver_config *config, struct dns_book *book, bool *local)
{
	struct fill fill = {loop_new(), book, 0};
	struct resolver *resolver =
	    fill.loop == NULL ? NULL : resolver_new(fill.loop, config);
	struct dns_question question;

	while (resolver != NULL && dns_book_take(book, &question))
		if (resolver_ask(resolver, &question, on_answer, &fill) != NULL)
			fill.waiting++;
	if (fill.waiting > 0)
		loop_run(fill.loop);
	dns_book_give_up(book);
	bool there = resolver != NULL;
	*local = there && resolver_is_local(resolver);
	resolver_free(&resolver);
	loop_free(&fill.loop);
	return there;
}
