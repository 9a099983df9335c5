/* What a load would refuse, known before it is started. */
#ifndef SOCKBENCH_BENCH_SCENARIO_LOAD_FIT_H
#define SOCKBENCH_BENCH_SCENARIO_LOAD_FIT_H

#include "bench/scenario/matrix.h"
#include "loadgen/vain.h"

/*
 * True when every option of the cell's load means something for its server.
 * Else why says what sockbench-load would: "--nodelay: only TCP holds small
 * requests back".
 */
bool load_fit(const struct scenario *scenario, const struct cell *cell,
              char why[static VAIN_TEXT_MAX]);

#endif
