/*
 * `ehlogate explain-code`: the page of a diagnostic code.
 *
 * SPDX-License-Identifier: MIT
 */
#include "base/json.h"
#include "cli/cli.h"
#include "cli/common.h"
#include "policy/code.h"

#include <getopt.h>

enum {
	OUTPUT_MAX = 1024 * 1024,
	COLUMNS = 78,
	CODES_MAX = 256
};

static const char help[] =
    "usage: ehlogate explain-code [--json] CODE...\n"
    "       ehlogate explain-code [--json] --list\n"
    "\n"
    "What a code of `ehlogate check` means, what provokes it, and how to mend\n"
    "it; --list: all codes, a line each.\n"
    "\n"
    "Exit status: 0 fine, 2 there is no such code (or bad usage).\n";

/* Words, broken where the line would be too long. */
static void
print_words(struct buf *out, const char *text)
{
	struct slice rest = slice_str(text);
	size_t column = 0;

	while (rest.len > 0) {
		ptrdiff_t blank = slice_find(rest, ' ');
		size_t len = blank == -1 ? rest.len : (size_t)blank;
		if (column > 0 && column + 1 + len > COLUMNS) {
			buf_append_str(out, "\n");
			column = 0;
		} else if (column > 0) {
			buf_append_str(out, " ");
			column++;
		}
		buf_append(out, slice_head(rest, len));
		column += len;
		rest = slice_from(rest, blank == -1 ? len : len + 1);
	}
	buf_append_str(out, "\n");
}

static void
print_example(struct buf *out, const char *example)
{
	struct slice rest = slice_str(example);

	buf_append_str(out, "\nFor example:\n\n");
	while (rest.len > 0) {
		ptrdiff_t end = slice_find(rest, '\n');
		size_t len = end == -1 ? rest.len : (size_t)end + 1;
		buf_append_str(out, "    ");
		buf_append(out, slice_head(rest, len));
		rest = slice_from(rest, len);
	}
}

static void
print_page(struct buf *out, const struct code *code)
{
	buf_printf(out, "%s, %s: %s\n\n", code->name,
	    code_severity_name(code->severity), code->title);
	print_words(out, code->meaning);
	if (code->example != NULL)
		print_example(out, code->example);
	buf_append_str(out, "\nTo mend it:\n\n");
	print_words(out, code->mend);
}

static void
print_json(struct json *json, const struct code *code)
{
	json_object_open(json, NULL);
	json_str(json, "code", code->name);
	json_str(json, "severity", code_severity_name(code->severity));
	json_str(json, "title", code->title);
	json_str(json, "meaning", code->meaning);
	if (code->example == NULL)
		json_null(json, "example");
	else
		json_str(json, "example", code->example);
	json_str(json, "mend", code->mend);
	json_object_close(json);
}

static int
print_list(bool as_json)
{
	struct json json;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	json_init(&json, &out);
	if (as_json)
		json_array_open(&json, NULL);
	for (unsigned i = 0; i < code_count(); i++) {
		const struct code *code = code_at(i);
		if (as_json)
			print_json(&json, code);
		else
			buf_printf(&out, "%s  %-16s  %s\n", code->name,
			    code_severity_name(code->severity), code->title);
	}
	if (as_json) {
		json_array_close(&json);
		buf_append_str(&out, "\n");
	}
	cli_write(stdout, &out);
	return CLI_OK;
}

static int
unknown(const char *word)
{
	const char *names[CODES_MAX];
	unsigned count = 0;

	for (; count < code_count() && count < CODES_MAX; count++)
		names[count] = code_at(count)->name;
	const char *near = diag_nearest(slice_str(word), names, count);
	fprintf(stderr, "ehlogate explain-code: there is no code `%s`", word);
	if (near != NULL)
		fprintf(stderr, "; did you mean `%s`?", near);
	fprintf(stderr, "\n`ehlogate explain-code --list` shows all\n");
	return CLI_USAGE;
}

/* A JSON object a line, as `ehlogate helo` has it. */
static int
print_pages(bool as_json, int count, char **words)
{
	int status = CLI_OK;
	struct json json;
	struct buf out;

	buf_init(&out, OUTPUT_MAX);
	for (int i = 0; i < count; i++) {
		int at = code_find(slice_str(words[i]));
		if (at == -1) {
			status = unknown(words[i]);
			continue;
		}
		if (!as_json) {
			buf_append_str(&out, buf_len(&out) == 0 ? "" : "\n");
			print_page(&out, code_at((unsigned)at));
			continue;
		}
		json_init(&json, &out);
		print_json(&json, code_at((unsigned)at));
		buf_append_str(&out, "\n");
	}
	cli_write(stdout, &out);
	return status;
}

int
cli_explain_code(int argc, char **argv)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'}, {"list", no_argument, NULL, 'l'},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	bool as_json = false, list = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'j')
			as_json = true;
		else if (option == 'l')
			list = true;
		else if (option == 'h')
			return fputs(help, stdout) < 0 ? CLI_ERROR : CLI_OK;
		else
			return CLI_USAGE;
	}
	if (list && optind == argc)
		return print_list(as_json);
	if (list || optind == argc)
		return cli_usage("explain-code", "codes, or --list alone");
	return print_pages(as_json, argc - optind, argv + optind);
}
