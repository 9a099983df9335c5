/* Scenario -> cells -> the order of trials. Pure. */
#ifndef SOCKBENCH_BENCH_SCENARIO_MATRIX_H
#define SOCKBENCH_BENCH_SCENARIO_MATRIX_H

#include "bench/scenario/scenario.h"
#include "bench/scenario/server_fit.h"

#include <stddef.h>
#include <stdint.h>

#define CELL_KEY_MAX 320
#define CELL_SWEPT_MAX 128

/* One server under one load at one point of the sweep. */
struct cell {
    /* Unique and readable: tcp/epoll/echo/persistent/c=64/s=64; further swept
     * options follow as /name=value. */
    char key[CELL_KEY_MAX];
    char swept[CELL_SWEPT_MAX];      /* those further ones alone, or "" */
    char swept_else[CELL_SWEPT_MAX]; /* the same without a swept rate */
    const struct scenario_server *server;
    const struct scenario_load *load;
    const char *values[SCENARIO_SWEEPS_MAX]; /* one a sweep */
    uint64_t connections;
    uint64_t size_bytes;
    double rate_per_s;          /* of an open loop, all connections together; 0:
                                   a closed loop */
    uint64_t expected_ns;       /* warm-up and window; 0 for a number of
                                   requests */
    bool one_way;               /* nobody answers */
    bool is_traced;             /* the server notes every datagram */
    const char *does_not_apply; /* why, or NULL */
    char reason[SERVER_FIT_TEXT_MAX]; /* where that may be kept */
};

struct matrix {
    struct cell *cells;
    size_t count;
};

/* One cell once. */
struct slot {
    size_t cell;
    unsigned repetition; /* from 0 */
};

/*
 * Every server with every load that is for its transport, at every point of
 * the sweep. only (or NULL) keeps cells whose key it is or matches as a glob,
 * where * passes over slashes too. 0 or -ENOMEM; free with matrix_done.
 */
int matrix_expand(const struct scenario *scenario,
                  const struct option_table *load_table, const char *only,
                  struct matrix *ret_matrix);

/* Says of the cells that a sharded layout cannot have why not. */
void matrix_fit(struct matrix *matrix, const struct layout *layout);

void matrix_done(struct matrix *matrix);

/*
 * Rounds, each with every cell that applies once, in an order drawn from the
 * seed: what drifts meanwhile meets all cells alike. Fills slots
 * [count * repetitions]; returns how many.
 */
size_t matrix_order(const struct matrix *matrix, unsigned repetitions,
                    uint64_t seed, struct slot *slots);

/* The value of an option of sockbench-load in this cell, or NULL. */
const char *cell_option(const struct scenario *scenario,
                        const struct cell *cell, const char *name);

#endif
