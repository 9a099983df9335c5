/* The sibling programs: they stand where this one stands. */
#ifndef SOCKBENCH_BENCH_PROGRAMS_H
#define SOCKBENCH_BENCH_PROGRAMS_H

#include "bench/trial/process.h"

#include <jansson.h>
#include <limits.h>

struct programs {
    char folder[PATH_MAX];
    char serve[PATH_MAX];
    char load[PATH_MAX];
};

/* 0 or -errno. */
int programs_find(struct programs *ret_programs);

/*
 * What sockbench-serve --list --json says: an array of {name, transport,
 * summary, available, reason}. 0, or -errno; -EPROTO for anything else.
 */
int programs_list_models(const struct programs *programs, json_t **ret_models);

#endif
