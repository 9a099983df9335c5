/* The generator's own loop on the null engine: what a request costs, and how
 * well a schedule is kept, without any network. */
#include "loadgen/selftest/selftest.h"

#include "loadgen/measure/clock.h"
#include "loadgen/measure/report.h"
#include "loadgen/plan/plan.h"
#include "loadgen/run.h"
#include "servers/cli/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WARMUP_NS (50 * NS_PER_MS)
#define CONNECTIONS 64
#define SPINNING_PER_S 100000.0
#define SLEEPING_PER_S 1000.0
#define WINDOWS_MAX 32u

static void fill_options(struct load_options *options, char cpus[static 16],
                         const struct selftest_pace *pace)
{
    *options = (struct load_options){0};
    options_defaults(&load_option_table, options);
    snprintf(cpus, 16, "%d", pace->cpu);
    options->cpus = cpus;
    options->engine = "null";
    options->connections = CONNECTIONS;
    options->warmup_ns = WARMUP_NS;
    options->timeout_ns = NS_PER_S;
}

/* Released with run_result_done either way. 0 or -errno. */
static int run_once(const struct load_options *options, struct run_result *ret)
{
    struct plan plan;
    struct plan_error refused;
    *ret = (struct run_result){0};
    int r = 0;
    /* No socket is opened: the address only says that it is a stream. */
    if (plan_make(&plan, options, "tcp://127.0.0.1:1", &refused) < 0) {
        log_line("%s", refused.text);
        r = -EINVAL;
    }
    if (r == 0)
        r = run(&plan.course, plan.cpus, NULL, ret);
    if (r == 0)
        r = ret->error;
    if (r == 0 && ret->total.accounting.ok == 0)
        r = -EIO;
    plan_done(&plan);
    return r;
}

static int by_cost(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median_of(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, by_cost);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

int selftest_generator(json_t *report, const struct selftest_pace *pace)
{
    struct load_options options;
    struct run_result result;
    char cpus[16];
    double costs[2][WINDOWS_MAX]; /* checked, not checked */
    uint64_t requests = 0;
    const unsigned windows = pace->windows;
    fill_options(&options, cpus, pace);
    options.requests = pace->generator_requests;
    for (unsigned i = 0; i < 2 * windows; i++) {
        options.no_verify = i % 2;
        int r = run_once(&options, &result);
        const struct tally *total = &result.total;
        if (r == 0) {
            costs[i % 2][i / 2] =
                (double)total->cpu_window_ns / (double)total->window_completed;
            requests += total->window_completed;
        }
        run_result_done(&result);
        if (r < 0)
            return r;
    }
    json_t *out = put_object(report, "generator");
    put_count(out, "size_bytes", SELFTEST_MESSAGE_BYTES);
    put_count(out, "connections", CONNECTIONS);
    put_count(out, "requests", requests);
    put_real(out, "verified_ns_per_request", median_of(costs[0], windows));
    put_real(out, "unverified_ns_per_request", median_of(costs[1], windows));
    return 0;
}

/* Null where fewer than ten samples lie above. */
static void put_late(json_t *out, const char *key, const struct hist *hist,
                     double q)
{
    if ((double)hist->total * (1 - q) < 10 - 1e-6)
        put_null(out, key);
    else
        put_count(out, key, hist_quantile(hist, q));
}

static int pace_at(json_t *pacing, const char *key,
                   const struct load_options *options)
{
    struct run_result result;
    int r = run_once(options, &result);
    if (r == 0) {
        const struct hist *lateness = &result.total.lateness;
        json_t *out = put_object(pacing, key);
        put_real(out, "rate_per_s", options->rate_per_s);
        put_count(out, "sends", lateness->total);
        put_late(out, "late_p50_ns", lateness, 0.5);
        put_late(out, "late_p99_ns", lateness, 0.99);
        put_count(out, "late_max_ns", lateness->max);
    }
    run_result_done(&result);
    return r;
}

int selftest_pacing(json_t *report, const struct selftest_pace *pace)
{
    struct load_options options;
    char cpus[16];
    json_t *out = put_object(report, "pacing");
    fill_options(&options, cpus, pace);
    options.connections = 1;
    options.arrival = "constant";
    options.rate_per_s = SPINNING_PER_S;
    options.pacing = "spin";
    options.duration_ns = pace->spinning_ns;
    int r = pace_at(out, "spinning", &options);
    options.rate_per_s = SLEEPING_PER_S;
    options.pacing = "block";
    options.duration_ns = pace->sleeping_ns;
    return r < 0 ? r : pace_at(out, "sleeping", &options);
}
