/* Where the scenarios that come with sockbench stand. */
#ifndef SOCKBENCH_BENCH_SCENARIO_SHELF_H
#define SOCKBENCH_BENCH_SCENARIO_SHELF_H

#include <limits.h>
#include <stddef.h>

#define SHELF_NAMES_MAX 256

struct shelf {
    char folder[PATH_MAX];
    char *names[SHELF_NAMES_MAX + 1]; /* sorted, NULL-terminated, no .json */
    size_t count;
};

/*
 * ../share/sockbench/scenarios beside the folder of the programs, where they
 * are installed; else the source tree's. 0, or -ENOENT where neither is.
 */
int shelf_open(const char *programs_folder, struct shelf *ret_shelf);
void shelf_close(struct shelf *shelf);

/*
 * The file that a word of the command line means: a path, or the name of a
 * scenario on the shelf (which may be NULL). A word that names nothing is
 * returned as it is.
 */
void shelf_find(const struct shelf *shelf, const char *word,
                char ret_file[static PATH_MAX]);

#endif
