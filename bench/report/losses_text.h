/* Where datagrams died, in a few lines below the table of a run or a search. */
#ifndef SOCKBENCH_BENCH_REPORT_LOSSES_TEXT_H
#define SOCKBENCH_BENCH_REPORT_LOSSES_TEXT_H

#include "bench/find/report.h"
#include "bench/report/report.h"

#include <stdio.h>

/* Nothing where there were no datagrams. */
void losses_print(const struct run *run, FILE *out);
void losses_print_search(const struct find *find, FILE *out);

#endif
