/* What a server would refuse, known before it is started. */
#ifndef SOCKBENCH_BENCH_SCENARIO_SERVER_FIT_H
#define SOCKBENCH_BENCH_SCENARIO_SERVER_FIT_H

#include "bench/scenario/scenario.h"

#define SERVER_FIT_TEXT_MAX 240

/*
 * True when a model takes its service and all of settings, on whatever
 * transport it has; a command is told none. Else why says what sockbench-serve
 * would: "no --backlog for datagrams: they have no connection".
 * is_traced: --trace is among its options.
 */
bool server_fit(const struct scenario_server *server,
                const struct settings *settings, bool is_traced,
                char why[static SERVER_FIT_TEXT_MAX]);

#endif
