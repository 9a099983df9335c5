/* The folder that a report goes into: made, tried, never shared with an earlier
 * report. */
#ifndef SOCKBENCH_BENCH_FOLDER_H
#define SOCKBENCH_BENCH_FOLDER_H

#include <jansson.h>
#include <limits.h>

struct folder {
    char path[PATH_MAX];
};

/*
 * Opens the folder wanted, or where that is NULL a new one in results/runs,
 * named by name and time. Says on stderr why it cannot. An exit code:
 * EXIT_PASS, EXIT_USAGE (wanted cannot be, or holds a report), or EXIT_FAILED.
 */
int folder_open(struct folder *folder, const char *wanted, const char *name);

/* The file for a generator's report, gone after each trial. */
void folder_scratch(const struct folder *folder,
                    char ret_path[static PATH_MAX + 32]);

/* Writes json (taken; NULL: no memory) as a file of the folder, and says why it
 * cannot. 0 or -errno. */
int folder_write(const struct folder *folder, const char *name, json_t *json);

#endif
