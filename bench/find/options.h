/* The words of `sockbench find`. */
#ifndef SOCKBENCH_BENCH_FIND_OPTIONS_H
#define SOCKBENCH_BENCH_FIND_OPTIONS_H

#include "loadgen/options.h"
#include "servers/cli/options.h"

struct find_options {
    /* Of each step. Only the options that the table takes over from the load
     * are filled; the others go through load_options. */
    struct load_options load;
    const char *slo;
    const char *model;   /* one of the two, or an address */
    const char *command; /* with {address} or {port} in it */
    const char *listen;
    const char *server_options, *load_options;
    double from_per_s;
    double to_per_s;
    const char *precision; /* good for slo_parse_ratio */
    uint64_t confirm;
    uint64_t max_steps;
    uint64_t step_duration_ns;
    const char *layout;    /* NULL: see layout.h */
    const char *namespace; /* good for space_parse */
    const char *output;
    bool help;
};

/* Rows that the load has too are the load's, but for what a search says of them
 * in its own words. */
const struct option_table *find_option_table(void);

#endif
