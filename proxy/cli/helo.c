/*
 * `ehlogate helo`: judges HELO arguments alone, with no policy and no
 * session: what form each has, what is wrong with it, what a repair makes of
 * it, and which receivers would refuse it.  Judging is no error, whatever the
 * verdict.
 *
 * SPDX-License-Identifier: MIT
 */
#include "policy/helo.h"

#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include <stdio.h>
#include <stdlib.h>

struct options {
	bool json;
	bool has_client;
	struct addr client;
	struct helo_repair repair;
	int arguments; /* index of the first ARG in argv */
};

static const char usage_text[] =
    "usage: ehlogate helo [--json] [--client IP] [--repair LIST] ARG... | -\n"
    "\n"
    "Judges each ARG as a HELO/EHLO argument.  `-` alone reads them from\n"
    "standard input, one a line, C-escaped (\\\\ \\t \\r \\n \\001 \\x01).\n"
    "\n"
    "  --json         one JSON object a line\n"
    "  --client IP    judge as if this client said it\n"
    "  --repair LIST  repair by these steps, in this order; default: all\n"
    "  --             what follows is ARG, whatever it begins with\n"
    "\n"
    "LIST is `all`, or steps with commas between:\n";

static int
help(void)
{
	fputs(usage_text, stdout);
	for (unsigned i = 0; i < HELO_STEP_COUNT; i++)
		printf("  %s%s\n", helo_step_name((enum helo_step)i),
		    helo_step_takes_name((enum helo_step)i) ? "=NAME" : "");
	return CLI_OK;
}

/* --- the command line ---------------------------------------------------- */

/* The name of append_domain must be a domain, that of replace any valid
 * argument: else a repair could end invalid by its own words. */
static bool
name_is_fit(enum helo_step step, struct slice name)
{
	struct helo helo;

	helo_analyse(name, NULL, &helo);
	return helo.valid && (step != HELO_STEP_APPEND_DOMAIN ||
				 helo.form == HELO_FORM_DOMAIN);
}

static bool
parse_step(struct slice word, struct helo_repair *repair)
{
	char quoted[256];
	struct helo_repair_step step = {0};
	ptrdiff_t equals = slice_find(word, '=');
	struct slice key = equals < 0 ? word : slice_head(word, (size_t)equals);

	if (helo_step_parse(key, &step.step) < 0) {
		log_quote(key, quoted, sizeof(quoted));
		fprintf(stderr, "ehlogate helo: no repair step `%s`\n", quoted);
		return false;
	}
	if (helo_step_takes_name(step.step) != (equals >= 0)) {
		fprintf(stderr, "ehlogate helo: step `%s` takes %s\n",
		    helo_step_name(step.step),
		    equals < 0 ? "a name: STEP=NAME" : "no name");
		return false;
	}
	if (equals >= 0)
		step.name = slice_from(word, (size_t)equals + 1);
	if (equals >= 0 && !name_is_fit(step.step, step.name)) {
		log_quote(step.name, quoted, sizeof(quoted));
		fprintf(stderr,
		    "ehlogate helo: `%s` cannot be the name of %s\n", quoted,
		    helo_step_name(step.step));
		return false;
	}
	if (repair->count == HELO_REPAIR_MAX) {
		fprintf(stderr, "ehlogate helo: more than %d repair steps\n",
		    HELO_REPAIR_MAX);
		return false;
	}
	repair->steps[repair->count++] = step;
	return true;
}

static bool
parse_repair(struct slice list, struct helo_repair *repair)
{
	if (slice_eq(list, SLICE("all"))) {
		helo_repair_all(repair);
		return true;
	}
	*repair = (struct helo_repair){0};
	for (;;) {
		ptrdiff_t comma = slice_find(list, ',');
		if (!parse_step(
			comma < 0 ? list : slice_head(list, (size_t)comma),
			repair))
			return false;
		if (comma < 0)
			return true;
		list = slice_from(list, (size_t)comma + 1);
	}
}

static bool
parse_client(struct slice text, struct options *options)
{
	char quoted[256];

	options->has_client = addr_parse(text, &options->client);
	if (!options->has_client)
		fprintf(stderr, "ehlogate helo: `%s` is no IP address\n",
		    log_quote(text, quoted, sizeof(quoted)));
	return options->has_client;
}

/* The value of `--NAME VALUE` or `--NAME=VALUE` at argv[*i], or NULL: argv[*i]
 * is another option.  A missing value is said and *i goes past argc. */
static const char *
option_value(int argc, char **argv, int *i, struct slice name)
{
	struct slice word = slice_str(argv[*i]);

	if (!slice_eq(slice_head(word, name.len), name))
		return NULL;
	if (word.len > name.len)
		return word.ptr[name.len] == '=' ? word.ptr + name.len + 1
						 : NULL;
	if (*i + 1 < argc)
		return argv[++*i];
	fprintf(stderr, "ehlogate helo: %s needs a value\n", argv[*i]);
	*i = argc + 1;
	return NULL;
}

static bool
parse_option(int argc, char **argv, int *i, struct options *options)
{
	const char *value;

	if (slice_eq(slice_str(argv[*i]), SLICE("--json"))) {
		options->json = true;
		return true;
	}
	value = option_value(argc, argv, i, SLICE("--client"));
	if (value != NULL)
		return parse_client(slice_str(value), options);
	if (*i > argc)
		return false;
	value = option_value(argc, argv, i, SLICE("--repair"));
	if (value != NULL)
		return parse_repair(slice_str(value), &options->repair);
	if (*i <= argc)
		fprintf(stderr,
		    "ehlogate helo: no option `%s` (an ARG that begins with "
		    "`-` stands behind `--`)\n",
		    argv[*i]);
	return false;
}

/* Options may stand behind arguments too: the arguments move to the end of
 * argv in their order.  False: said why. */
static bool
parse_line(int argc, char **argv, struct options *options, bool *from_stdin)
{
	int kept = 0;
	bool dash = false;

	for (int i = 1; i < argc; i++) {
		struct slice word = slice_str(argv[i]);
		if (slice_eq(word, SLICE("--"))) {
			while (++i < argc)
				argv[++kept] = argv[i];
			break;
		}
		if (word.len > 1 && word.ptr[0] == '-') {
			if (!parse_option(argc, argv, &i, options))
				return false;
			continue;
		}
		dash = dash || slice_eq(word, SLICE("-"));
		argv[++kept] = argv[i];
	}
	options->arguments = kept;
	*from_stdin = dash && kept == 1;
	if (dash && kept > 1)
		fputs("ehlogate helo: `-` stands alone\n", stderr);
	else if (kept == 0)
		fputs(
		    "ehlogate helo: no argument (--help tells more)\n", stderr);
	return kept > 0 && (!dash || kept == 1);
}

/* --- what is written ------------------------------------------------------ */

static void
write_flaws(struct json *json, uint64_t flaws)
{
	json_array_open(json, "flaws");
	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++)
		if (flaws & HELO_BIT(i))
			json_str(json, NULL, helo_flaw_name((enum helo_flaw)i));
	json_array_close(json);
}

/* Without a valid result there are no repairs to speak of. */
static void
write_repaired(struct json *json, const struct helo_repaired *repaired)
{
	if (repaired->valid)
		json_bytes(
		    json, "repaired", slice_of(repaired->name, repaired->len));
	else
		json_null(json, "repaired");
	json_array_open(json, "repairs");
	for (unsigned i = 0; i < HELO_STEP_COUNT && repaired->valid; i++)
		if (repaired->steps & 1U << i)
			json_str(json, NULL, helo_step_name((enum helo_step)i));
	json_array_close(json);
}

static void
write_json(struct buf *out, struct slice argument, const struct helo *helo,
    const struct helo_repaired *repaired)
{
	struct json json;

	json_init(&json, out);
	json_object_open(&json, NULL);
	json_bytes(&json, "argument", argument);
	json_str(&json, "form", helo_form_name(helo->form));
	json_bool(&json, "valid", helo->valid);
	write_flaws(&json, helo->flaws);
	write_repaired(&json, repaired);
	json_array_open(&json, "refused_by");
	for (unsigned i = 0; i < HELO_RECEIVER_COUNT; i++)
		if (helo->refused_by & 1U << i)
			json_str(&json, NULL,
			    helo_receiver_name((enum helo_receiver)i));
	json_array_close(&json);
	json_object_close(&json);
	buf_append_str(out, "\n");
}

static void
print_words(const char *label, uint64_t bits, unsigned count,
    const char *(*name)(unsigned))
{
	printf("  %-11s", label);
	for (unsigned i = 0; i < count; i++)
		if (bits & UINT64_C(1) << i)
			printf(" %s", name(i));
	puts(bits == 0 ? " none" : "");
}

static const char *
receiver_word(unsigned i)
{
	static const char *const words[] = {
#define RECEIVER_WORD(id, name, documented) \
	(documented) ? name " (documented)" : name,
	    HELO_RECEIVERS(RECEIVER_WORD)
#undef RECEIVER_WORD
	};

	return words[i];
}

static const char *
step_word(unsigned i)
{
	return helo_step_name((enum helo_step)i);
}

static void
print_text(struct slice argument, const struct helo *helo,
    const struct helo_repaired *repaired)
{
	/* every byte of a name or argument may take four */
	char quoted[HELO_ARGUMENT_MAX * 4 + 8];

	printf("\"%s\"\n", log_quote(argument, quoted, sizeof(quoted)));
	printf("  %-11s %s, %s\n", "form", helo_form_name(helo->form),
	    helo->valid ? "valid" : "not valid");
	for (unsigned i = 0; i < HELO_FLAW_COUNT; i++)
		if (helo->flaws & HELO_BIT(i))
			printf("  %-11s %s%s: %s\n", "flaw",
			    helo_flaw_name((enum helo_flaw)i),
			    helo_flaw_is_advisory((enum helo_flaw)i)
				? " (advisory)"
				: "",
			    helo_flaw_text((enum helo_flaw)i));
	if (!repaired->valid) {
		printf("  %-11s cannot be made valid by these steps\n",
		    "repaired");
	} else if (repaired->steps == 0) {
		printf("  %-11s nothing to mend\n", "repaired");
	} else {
		struct slice name = slice_of(repaired->name, repaired->len);
		printf("  %-11s %s\n", "repaired",
		    log_quote(name, quoted, sizeof(quoted)));
		print_words("by", repaired->steps, HELO_STEP_COUNT, step_word);
	}
	print_words(
	    "refused by", helo->refused_by, HELO_RECEIVER_COUNT, receiver_word);
}

static void
judge(struct slice argument, const struct options *options)
{
	static struct helo_repaired repaired;
	const struct addr *client =
	    options->has_client ? &options->client : NULL;
	struct helo helo;
	struct buf out;

	helo_analyse(argument, client, &helo);
	helo_repair_apply(
	    &options->repair, argument, client, SLICE(""), &repaired);
	if (!options->json) {
		print_text(argument, &helo, &repaired);
		return;
	}
	/* an escaped byte takes at most eight; the rest is our own words */
	buf_init(&out, argument.len * 8 + HELO_ARGUMENT_MAX * 8 + 4096);
	write_json(&out, argument, &helo, &repaired);
	fwrite(buf_slice(&out).ptr, 1, buf_len(&out), stdout);
	buf_fini(&out);
}

static int
judge_stdin(const struct options *options)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	unsigned number = 0;
	int status = CLI_OK;

	while ((len = getline(&line, &size, stdin)) > 0) {
		number++;
		if (line[len - 1] == '\n')
			len--;
		/* never longer than what it reads, so it may work in place */
		ptrdiff_t bytes =
		    slice_unescape(slice_of(line, (size_t)len), line);
		if (bytes >= 0) {
			judge(slice_of(line, (size_t)bytes), options);
			continue;
		}
		fprintf(
		    stderr, "ehlogate helo: line %u: not a C escape\n", number);
		status = CLI_ERROR;
	}
	if (ferror(stdin)) {
		fputs("ehlogate helo: standard input cannot be read\n", stderr);
		status = CLI_ERROR;
	}
	free(line);
	return status;
}

int
cli_helo(int argc, char **argv)
{
	struct options options = {0};
	bool from_stdin;
	int status = CLI_OK;

	for (int i = 1; i < argc; i++) {
		struct slice word = slice_str(argv[i]);
		if (slice_eq(word, SLICE("--")))
			break;
		if (slice_eq(word, SLICE("--help")) ||
		    slice_eq(word, SLICE("-h")))
			return help();
	}
	helo_repair_all(&options.repair);
	if (!parse_line(argc, argv, &options, &from_stdin))
		return CLI_USAGE;
	if (from_stdin)
		status = judge_stdin(&options);
	for (int i = 1; i <= options.arguments && !from_stdin; i++)
		judge(slice_str(argv[i]), &options);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("ehlogate helo: standard output cannot be written\n",
		    stderr);
		return CLI_ERROR;
	}
	return status;
}
