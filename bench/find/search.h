/*
 * The search for the highest rate that holds. Pure: rates out, outcomes in.
 *
 *   grow     from the lowest rate, twice as much each time, until one does not
 *            hold or the highest is reached
 *   bisect   between the highest that held and the lowest that did not, in
 *            log space, until they are within the precision
 *   confirm  the winner again, several times; unless most of them hold, the
 *            next lower rate is confirmed instead, in growing steps
 *
 * On a machine that does other things as well a single failure may be chance:
 * while growing and bisecting a rate that did not hold is tried once more,
 * unless it failed by far, and the second outcome counts. That errs upwards,
 * and confirming corrects it.
 */
#ifndef SOCKBENCH_BENCH_FIND_SEARCH_H
#define SOCKBENCH_BENCH_FIND_SEARCH_H

#include <stdbool.h>

enum step_outcome {
    STEP_HELD,
    STEP_BROKE,
    STEP_BROKE_FAR, /* so clearly that once is enough */
    STEP_LIMITED,   /* the generator was the limit: nothing said of the server
                     */
};

enum search_phase {
    SEARCH_GROW,
    SEARCH_BISECT,
    SEARCH_CONFIRM,
    SEARCH_DONE,
};

enum search_end {
    SEARCH_OPEN,         /* not done yet, or interrupted */
    SEARCH_FOUND,        /* held_per_s holds, and beyond_per_s does not */
    SEARCH_LOWER_BOUND,  /* held_per_s holds; see bound */
    SEARCH_NOT_FOUND,    /* not even the lowest rate */
    SEARCH_INCONCLUSIVE, /* see bound */
};

/* What kept the search from more. */
enum search_bound {
    BOUND_NONE,
    BOUND_GENERATOR,
    BOUND_TO,    /* the highest rate of the plan */
    BOUND_STEPS, /* the number of steps */
};

struct search_plan {
    double from_per_s, to_per_s; /* 0 < from <= to */
    double precision;            /* 0.05: within 5 % */
    unsigned confirmations;      /* at least 1 */
    unsigned max_steps;          /* more than confirmations */
};

struct search {
    struct search_plan plan;
    enum search_phase phase;
    enum search_end end;
    enum search_bound bound;
    double rate_per_s;   /* to be tried now */
    bool again;          /* it is the second try */
    unsigned steps;      /* tried so far */
    double held_per_s;   /* highest that held, or is being confirmed; 0: none */
    double beyond_per_s; /* lowest above it that did not; 0: none */
    bool beyond_limited; /* because of the generator */
    unsigned confirm_tried, confirm_held; /* at held_per_s */
    unsigned descent; /* precisions to go down at the next failure */
};

void search_init(struct search *search, const struct search_plan *plan);

/* The rate to be tried next. False when the search has come to its end. */
bool search_next(const struct search *search, double *ret_rate_per_s);

/* Takes the outcome of the rate that search_next gave. */
void search_note(struct search *search, enum step_outcome outcome);

/* "grow", "bisect" or "confirm"; "done". */
const char *search_phase_name(enum search_phase phase);

/* "held", "broke" or "generator_limited". */
const char *step_outcome_name(enum step_outcome outcome);

/* "found", "lower_bound", "not_found", "inconclusive" or "interrupted". */
const char *search_end_name(enum search_end end);

/* "generator", "to", "max_steps", or NULL. */
const char *search_bound_name(enum search_bound bound);

#endif
