/*
 * One cell once: a fresh server process (or one that runs already), the
 * generator against it, what the server used meanwhile, and the end of both.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_TRIAL_H
#define SOCKBENCH_BENCH_TRIAL_TRIAL_H

#include "bench/programs.h"
#include "bench/scenario/matrix.h"

#include <jansson.h>
#include <stdint.h>

#define TRIAL_REASON_MAX 1024

enum trial_status {
    TRIAL_OK,
    TRIAL_FAILED,
    TRIAL_SKIPPED,     /* not possible on this machine */
    TRIAL_INTERRUPTED, /* nothing to keep */
};

struct trial_plan {
    const struct scenario *scenario;
    const struct cell *cell;
    /* Settled. Without CPUs of the generator ("") it stays where it is put. */
    const struct layout *layout;
    const char *address; /* of a server that runs already, and is left running;
                            NULL: the cell's server is started */
    const struct programs *programs;
    const struct option_table *server_table, *load_table;
    uint64_t seed;           /* of the generator */
    enum space space;        /* the scenario's, or what the command line says */
    const char *report_path; /* for the generator's report; gone afterwards */
    int interrupt_fd;        /* readable: end now */
};

struct trial_result {
    enum trial_status status;
    char reason[TRIAL_REASON_MAX]; /* one line; "" when ok */
    bool refused;                  /* the generator did not take its words */
    const char *cpu_source;        /* of the server's CPU; NULL: not known */
    json_t *report; /* the load report with the server's part, or NULL */
};

/* "ok", "failed", "skipped" or "interrupted". */
const char *trial_status_name(enum trial_status status);

/* Runs it. The caller owns ret_result->report. */
void trial_run(const struct trial_plan *plan, struct trial_result *ret_result);

#endif
