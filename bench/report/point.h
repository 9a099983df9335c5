/*
 * The servers of one block of the table, side by side where they had most to
 * do, and who of them did best by one measure: what sentences under the table
 * are made of.
 */
#ifndef SOCKBENCH_BENCH_REPORT_POINT_H
#define SOCKBENCH_BENCH_REPORT_POINT_H

#include "bench/report/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The measured cells of a block that came under the greatest load: the highest
 * rate, or the most clients. */
struct point {
    const struct run *run;
    size_t cells[SCENARIO_ROWS_MAX];
    struct summary summaries[SCENARIO_ROWS_MAX];
    size_t count;
};

/* Of the block that begins with cell head. */
void point_gather(const struct run *run, size_t head, struct point *point);

/* Of server i: its name, its workers (0: not said), and whether its verdict
 * lets what it answered per second stand. */
const char *point_name(const struct point *point, size_t i);
uint64_t point_workers(const struct point *point, size_t i);
bool point_rate_counts(const struct point *point, size_t i);

bool point_served_all(const struct summary *s);

enum measure {
    MEASURE_RATE,
    MEASURE_P99,
    MEASURE_CPU,
};

/* Those servers of a point that served all, by one measure. */
struct ranking {
    size_t count;
    size_t best, worst, first; /* first: in the scenario's order */
    double best_value, worst_value, first_value;
    uint64_t least_workers, most_workers; /* 0: not said */
};

/* False when fewer than two can be compared, or when a number among them does
 * not carry a comparison. */
bool point_rank(const struct point *point, enum measure measure,
                struct ranking *ret_ranking);

/* One worker, or none named (a thread a client), is what a model is. More for
 * one than for another is a difference that is not the models'. */
bool ranking_is_uneven(const struct ranking *ranking);

#endif
