/* What served, as every report of the bench says it. */
#ifndef SOCKBENCH_BENCH_PROGRAM_ROW_H
#define SOCKBENCH_BENCH_PROGRAM_ROW_H

#include "bench/scenario/scenario.h"

#include <jansson.h>

/* server.model and server.command: one of the two is null. */
void put_program(json_t *server, const struct scenario_server *row);

#endif
