/*
 * Lines of a log, one after another.  See log_read.h.
 *
 * SPDX-License-Identifier: MIT
 */
#include "audit/log_read.h"

#include "audit/log_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	READ_SIZE = 256 * 1024,
	REASON_MAX = 192
};

struct log_reader {
	int fd;
	uint64_t line, octets, whole, unusual;
	char *data; /* data[head..tail) is read and not yet used */
	size_t head, tail, size;
	bool ended;
	struct log_room room;
	char *canonical; /* jansson's text of the line */
	char reason[REASON_MAX];
};

struct log_reader *
log_reader_open(const char *path)
{
	struct log_reader *reader = calloc(1, sizeof(*reader));
	struct stat stat;

	if (reader == NULL)
		return NULL;
	reader->size = LOG_LINE_MAX + READ_SIZE;
	reader->data = malloc(reader->size);
	reader->fd = slice_eq(slice_str(path), SLICE("-"))
			 ? STDIN_FILENO
			 : open(path, O_RDONLY | O_CLOEXEC);
	if (reader->data == NULL || reader->fd == -1) {
		int error = errno;
		log_reader_close(&reader);
		errno = error;
		return NULL;
	}
	if (fstat(reader->fd, &stat) == 0 && S_ISREG(stat.st_mode))
		reader->whole = (uint64_t)stat.st_size;
	return reader;
}

void
log_reader_close(struct log_reader **reader_p)
{
	struct log_reader *reader = *reader_p;

	if (reader == NULL)
		return;
	if (reader->fd > STDERR_FILENO)
		close(reader->fd);
	log_room_fini(&reader->room);
	free(reader->canonical);
	free(reader->data);
	free(reader);
	*reader_p = NULL;
}

/* --- lines ----------------------------------------------------------------------- */

/* Reads on; false: nothing more came (ended), or errno says why. */
static bool
fill(struct log_reader *reader)
{
	if (reader->head > 0 && reader->size - reader->tail < READ_SIZE) {
		memmove(reader->data, reader->data + reader->head,
		    reader->tail - reader->head);
		reader->tail -= reader->head;
		reader->head = 0;
	}
	ssize_t got;
	do
		got = read(reader->fd, reader->data + reader->tail,
		    reader->size - reader->tail);
	while (got == -1 && errno == EINTR);
	reader->ended = got == 0;
	if (got <= 0)
		return false;
	reader->tail += (size_t)got;
	reader->octets += (uint64_t)got;
	return true;
}

/* Whether a line could be taken; *whole: it ended with its newline, and it was
 * not too long.  Of one that is too long the rest is dropped. */
static bool
take_line(struct log_reader *reader, struct slice *line, bool *whole)
{
	size_t seen = 0;
	bool dropped = false;

	for (;;) {
		const char *start = reader->data + reader->head;
		size_t len = reader->tail - reader->head;
		const char *newline = memchr(start + seen, '\n', len - seen);
		if (newline != NULL)
			len = (size_t)(newline - start);
		else if (len > LOG_LINE_MAX) {
			dropped = true;
			reader->head = reader->tail = 0;
			len = 0;
		}
		seen = len;
		if (newline == NULL && fill(reader))
			continue;
		if (newline == NULL &&
		    (!reader->ended || (len == 0 && !dropped)))
			return false;
		*line = slice_of(reader->data + reader->head, len);
		*whole = !dropped && len <= LOG_LINE_MAX;
		reader->head += len + (newline != NULL);
		return true;
	}
}

/* --- what a line says ------------------------------------------------------------ */

static void
say(struct log_reader *reader, const char *why)
{
	snprintf(reader->reason, sizeof(reader->reason), "%s", why);
}

/* jansson judges the line and writes it anew, plainly. */
static enum log_line
scan_unusual(
    struct log_reader *reader, struct slice line, struct log_session *out)
{
	json_error_t error;
	json_t *root = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, &error);

	reader->unusual++;
	if (root == NULL) {
		say(reader, error.text);
		return LOG_BAD;
	}
	free(reader->canonical);
	reader->canonical = json_dumps(root, JSON_COMPACT);
	bool object = json_is_object(root);
	json_decref(root);
	if (!object)
		return LOG_OTHER;
	if (reader->canonical != NULL &&
	    log_scan(slice_str(reader->canonical), true, &reader->room, out))
		return LOG_SESSION;
	say(reader, "it is nested too deep");
	return LOG_BAD;
}

static bool
is_blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] != ' ' && line.ptr[i] != '\t' &&
		    line.ptr[i] != '\r')
			return false;
	return true;
}

enum log_line
log_reader_next(struct log_reader *reader, struct log_session *out)
{
	struct slice line;
	bool whole;

	do {
		errno = 0;
		if (!take_line(reader, &line, &whole))
			return reader->ended ? LOG_END : LOG_FAILED;
		reader->line++;
	} while (whole && is_blank(line));
	if (!whole) {
		say(reader, "it is longer than 1 MiB");
		return LOG_BAD;
	}
	enum log_line kind = LOG_SESSION;
	if (!log_scan(line, false, &reader->room, out))
		kind = scan_unusual(reader, line, out);
	if (kind == LOG_SESSION && !slice_eq(out->event_type, SLICE("session")))
		kind = LOG_OTHER;
	return kind;
}

uint64_t
log_reader_line(const struct log_reader *reader)
{
	return reader->line;
}

const char *
log_reader_reason(const struct log_reader *reader)
{
	return reader->reason;
}

uint64_t
log_reader_octets(const struct log_reader *reader, uint64_t *whole)
{
	*whole = reader->whole;
	return reader->octets;
}

uint64_t
log_reader_unusual(const struct log_reader *reader)
{
	return reader->unusual;
}
