/* Which CPUs the two sides of a search have, from its options. */
#ifndef SOCKBENCH_BENCH_FIND_LAYOUT_H
#define SOCKBENCH_BENCH_FIND_LAYOUT_H

#include "bench/find/options.h"
#include "bench/scenario/layout.h"

#include <stdbool.h>

#define FIND_LAYOUT_WHY_MAX 480

/*
 * Fills and settles layout, which is zero. Without a layout or CPUs it is the
 * split one, or shared where only one CPU may be used. Where the CPUs of one
 * side are given, the other has the rest. Of a server that runs already (not
 * ours) only what is said is known. EXIT_PASS, or the exit code with why: one
 * line.
 */
int find_layout(const struct find_options *options, bool ours,
                struct layout *layout, char why[static FIND_LAYOUT_WHY_MAX]);

#endif
