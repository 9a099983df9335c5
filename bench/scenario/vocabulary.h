/* The words that scenarios are checked against, models included. */
#ifndef SOCKBENCH_BENCH_SCENARIO_VOCABULARY_H
#define SOCKBENCH_BENCH_SCENARIO_VOCABULARY_H

#include "bench/programs.h"
#include "bench/scenario/scenario.h"

struct vocabulary {
    struct scenario_words words; /* what scenario_read takes */
    const char *stream_models[SCENARIO_ROWS_MAX + 1];
    const char *datagram_models[SCENARIO_ROWS_MAX + 1];
    unsigned streams_meet[SCENARIO_ROWS_MAX + 1];
    unsigned datagrams_meet[SCENARIO_ROWS_MAX + 1];
    json_t *models; /* as sockbench-serve lists them; NULL: unknown */
};

/*
 * Asks sockbench-serve for its models. 0, or -errno: then the words are good
 * for everything but models.
 */
int vocabulary_open(struct vocabulary *vocabulary,
                    const struct programs *programs);
void vocabulary_close(struct vocabulary *vocabulary);

#endif
