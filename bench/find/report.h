/* What a search has found: its steps, the table, the sentence, the report. */
#ifndef SOCKBENCH_BENCH_FIND_REPORT_H
#define SOCKBENCH_BENCH_FIND_REPORT_H

#include "bench/find/judge.h"
#include "bench/find/search.h"
#include "bench/find/target.h"
#include "bench/trial/trial.h"

#include <jansson.h>
#include <stdio.h>

#define FIND_SENTENCE_MAX 1024

/* One rate once. */
struct step {
    size_t number; /* from 1 */
    enum search_phase phase;
    double rate_per_s; /* asked for */
    bool again;
    enum step_outcome outcome;
    const struct slo_clause *clause; /* the first that did not hold, or NULL */
    char reason[TRIAL_REASON_MAX];   /* why it did not hold; "" when it did */
    struct slo_facts facts;          /* unknown without a report */
    json_t *report;                  /* of the load; or NULL */
};

struct find {
    const struct find_options *options;
    const struct slo *slo;
    const struct target *target;
    const struct search *search;
    struct step *steps; /* as they were tried */
    size_t step_count;
    json_t *identity;    /* run{}: id, created_utc ... */
    const char *stopped; /* why it ended before its end; NULL: it did not */
};

/* 0 or -ENOMEM. argv is kept in the report. */
int find_init(struct find *find, int argc, char **argv);
void find_done(struct find *find);

/* "182,000", "0.5". Returns text. */
char *find_rate_text(double rate_per_s, char text[static 40]);

/* The steps by rate and then as they were tried: a copy on the heap, whose
 * reports are borrowed; NULL without memory. */
struct step *find_sorted(const struct find *find);

/* What is searched, under which load, and how long it takes at most. */
void find_print_plan(const struct find *find, FILE *out);

/* A row a step, by rate. */
void find_print_table(const struct find *find, FILE *out);

/* The answer, in one sentence. */
void find_sentence(const struct find *find,
                   char text[static FIND_SENTENCE_MAX]);

/* The report of results/schema/find.schema.json, and rows for graphs, one a
 * rate. NULL without memory. */
json_t *find_report_json(const struct find *find);
json_t *find_rows_json(const struct find *find);

#endif
