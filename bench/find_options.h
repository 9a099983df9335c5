/* The words of `sockbench find`. */
#ifndef SOCKBENCH_BENCH_FIND_OPTIONS_H
#define SOCKBENCH_BENCH_FIND_OPTIONS_H

#include "servers/cli/options.h"

struct find_options {
    const char *slo;
    const char *model;   /* one of the two, or an address */
    const char *command; /* with {address} or {port} in it */
    const char *listen;
    const char *service; /* NULL: the transport's default */
    const char *server_options, *load_options;
    uint64_t connections;
    uint64_t threads;
    const char *size; /* good for sizes_parse */
    const char *arrival;
    double from_per_s;
    double to_per_s;
    const char *precision; /* good for slo_parse_ratio */
    uint64_t confirm;
    uint64_t max_steps;
    uint64_t step_duration_ns;
    uint64_t warmup_ns;
    uint64_t timeout_ns;
    uint64_t seed;
    const char *layout; /* NULL: see find_target.h */
    const char *cpus;   /* of the generator */
    const char *server_cpus;
    const char *output;
    bool help;
};

extern const struct option_table find_option_table;

#endif
