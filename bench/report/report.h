/* What a run has found: kept while it goes, written as JSON. */
#ifndef SOCKBENCH_BENCH_REPORT_REPORT_H
#define SOCKBENCH_BENCH_REPORT_REPORT_H

#include "bench/report/aggregate.h"
#include "bench/scenario/matrix.h"
#include "bench/trial/trial.h"

#include <jansson.h>
#include <stdbool.h>

enum cell_status {
    CELL_NOT_RUN, /* the run was interrupted before */
    CELL_OK,
    CELL_FAILED,
    CELL_SKIPPED,
    CELL_DOES_NOT_APPLY,
};

struct cell_result {
    enum cell_status status;
    char reason[TRIAL_REASON_MAX]; /* of the first trial that was not ok */
    json_t *repetitions;           /* every load report, array */
    json_t *measured;              /* those of trials that were ok, array */
};

struct run {
    const struct scenario *scenario;
    const struct matrix *matrix;
    const struct layout *layout;
    struct cell_result *results; /* one a cell */
    json_t *trials;              /* in the order they were run */
    json_t *identity;            /* run{}: id, created_utc, ... */
    bool complete;
    const char *reason; /* why it is not; static text */
};

/* 0 or -ENOMEM. argv is kept in the report. */
int run_init(struct run *run, int argc, char **argv);
void run_done(struct run *run);

/* Adds a trial's result, and takes its report. */
void run_add(struct run *run, const struct slot *slot,
             struct trial_result *result);

/* "ok", "failed", "skipped", "does_not_apply" or "not_run". */
const char *cell_status_name(enum cell_status status);

/* The worst verdict of the cell's measured repetitions, such as "ok" or
 * "generator_bound"; NULL without any. */
const char *cell_verdict(const struct cell_result *result);

/* Whether any measured repetition withdraws what it says of "throughput",
 * "latency" or "server_cpu". */
bool cell_withdraws(const struct cell_result *result, const char *claim);

/* The server's worker budget as it was told in the report; 0: not said. */
uint64_t cell_workers(const struct cell_result *result);

/* The report of results/schema/run.schema.json, and the rows for graphs. NULL
 * without memory. */
json_t *run_report_json(const struct run *run);
json_t *run_rows_json(const struct run *run);

#endif
