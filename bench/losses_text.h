/* Where a run's datagrams died, in a few lines below its table. */
#ifndef SOCKBENCH_BENCH_LOSSES_TEXT_H
#define SOCKBENCH_BENCH_LOSSES_TEXT_H

#include "bench/run_report.h"

#include <stdio.h>

/* Nothing for a run without datagrams. */
void losses_print(const struct run *run, FILE *out);

#endif
