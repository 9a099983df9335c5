/* What a person reads at the end of a run. */
#ifndef SOCKBENCH_BENCH_REPORT_TABLE_H
#define SOCKBENCH_BENCH_REPORT_TABLE_H

#include "bench/report/report.h"

#include <stdio.h>

/* A block a load, transport and service; in it a row for each server at each
 * point of the sweep. */
void table_print(const struct run *run, FILE *out);

/* Sentences computed from the same cells, wrapped; nothing when there is
 * nothing to say. */
void reading_print(const struct run *run, FILE *out);

/* Cells that did not come out well, with the reason. */
void table_print_failures(const struct run *run, FILE *out);

/* Two cells that stand in the same block. */
bool table_is_same_block(const struct cell *a, const struct cell *b);

#endif
