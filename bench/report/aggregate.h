/*
 * Repetitions -> one number each. Pure: load reports in, a summary out.
 *
 * A summary is {median, min, max, n} over the repetitions that were measured;
 * the median of an even number is the mean of the two in the middle.
 * Percentiles are never averaged within a run: what is summarised here is one
 * percentile of each independent run.
 */
#ifndef SOCKBENCH_BENCH_REPORT_AGGREGATE_H
#define SOCKBENCH_BENCH_REPORT_AGGREGATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spread {
    size_t n;                /* 0: nothing known, the rest is NAN */
    double median, min, max; /* INFINITY: only known to be above something */
    double above; /* that something where the median is so, else NAN */
};

/* Sorts values. */
struct spread spread_of(double *values, size_t count);

struct summary {
    struct spread requests_per_s; /* one way, those that arrived */
    struct spread offered_per_s;  /* what came due in an open loop */
    struct spread achieved_per_s;
    struct spread response_p50_ns, response_p99_ns;
    struct spread connect_p50_ns;
    struct spread server_cpu_ns_per_request, generator_cpu_ns_per_request;
    struct spread rss_peak_bytes, pss_peak_bytes;
    struct spread lost_ratio; /* datagrams only */
    uint64_t flows_offered;   /* of one repetition */
    uint64_t flows_served;    /* the least of any repetition */
    /* In any repetition the percentile was below what its generator was late
     * by. */
    bool p50_below_lateness, p99_below_lateness;
};

/* reports is an array of load reports, all of them measurements. */
void summary_of(const json_t *reports, struct summary *ret_summary);

/* The same as JSON; NULL without memory. */
json_t *summary_json(const struct summary *summary);

/* A number at the end of a path of keys, or NAN. */
double json_number_at(const json_t *object, const char *const *keys);

/* The quantile q of latency.name in a load report, or NAN. INFINITY where its
 * rank is that of a request that was given up. */
double report_quantile_ns(const json_t *report, const char *name, double q);

#endif
