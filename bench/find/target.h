/* What is searched: a server that is started for each step or one that runs
 * already, and the load that it meets, as a trial takes them. */
#ifndef SOCKBENCH_BENCH_FIND_TARGET_H
#define SOCKBENCH_BENCH_FIND_TARGET_H

#include "bench/find/options.h"
#include "bench/scenario/matrix.h"
#include "bench/scenario/vocabulary.h"
#include "bench/words.h"

#define TARGET_SETTINGS_MAX 64
#define TARGET_NUMBER_MAX 32
#define TARGET_NUMBERS 9

struct target {
    const char *name;    /* of the server, as sentences say it */
    const char *address; /* NULL: it is started */
    struct scenario scenario;
    struct scenario_server server;
    struct scenario_load load;
    struct cell cell;
    struct layout layout;
    const char *command_list[WORDS_MAX + 1];
    struct words command, server_words, load_words;
    struct setting server_settings[TARGET_SETTINGS_MAX];
    struct setting load_settings[TARGET_SETTINGS_MAX];
    char numbers[TARGET_NUMBERS][TARGET_NUMBER_MAX]; /* texts of settings */
    char *rate; /* one of them: of the step to come */
};

struct target_error {
    char text[480]; /* what, on what, why: one line */
    int exit_code;
};

/*
 * Fills target from the options; address is the operand, or NULL. The pieces
 * point into each other: it must not move. 0, or -1 with *error filled; free
 * with target_done either way. Its CPUs: see layout.h.
 */
int target_init(struct target *target, const struct find_options *options,
                const char *address, const struct scenario_words *words,
                struct target_error *error);

/* The rate of the next step. */
void target_set_rate(struct target *target, double rate_per_s);

void target_done(struct target *target);

#endif
