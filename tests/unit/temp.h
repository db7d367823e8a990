/*
 * A folder of its own for a test, and files in it; removed at the end.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTS_TEMP_H
#define TESTS_TEMP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	TEMP_PATH = 400
};

static char temp_folder[TEMP_PATH / 2];

/* The path of a file in the test's folder, which is made at first. */
static inline const char *
temp_path(const char *name, char out[TEMP_PATH])
{
	const char *top = getenv("TMPDIR");

	if (temp_folder[0] == '\0') {
		snprintf(temp_folder, sizeof(temp_folder), "%s/ehlogate.XXXXXX",
		    top == NULL ? P_tmpdir : top);
		if (mkdtemp(temp_folder) == NULL)
			abort();
	}
	snprintf(out, TEMP_PATH, "%s/%s", temp_folder, name);
	return out;
}

static inline void
temp_remove(void)
{
	DIR *dir = opendir(temp_folder);
	struct dirent *entry;
	char path[TEMP_PATH + 256];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		snprintf(
		    path, sizeof(path), "%s/%s", temp_folder, entry->d_name);
		unlink(path); /* not "." and "..", which are folders */
	}
	if (dir != NULL)
		closedir(dir);
	rmdir(temp_folder);
	temp_folder[0] = '\0';
}

#endif
