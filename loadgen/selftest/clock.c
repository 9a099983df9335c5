/* What it costs to measure: a reading of the clock, a sample of a histogram. */
#include "loadgen/selftest/selftest.h"

#include "loadgen/measure/clock.h"
#include "loadgen/measure/hist.h"
#include "loadgen/measure/random.h"
#include "loadgen/measure/report.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 7 /* the best one counts: what disturbs only slows */
#define READINGS 200000u
#define SAMPLES 200000u
#define VALUES 4096u

static double per_step(uint64_t begin_ns, uint64_t steps)
{
    return (double)(clock_now_ns() - begin_ns) / (double)steps;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* Keeps a result that nobody wants from being optimised away. */
static void keep(uint64_t value)
{
    __asm__ volatile("" : : "r"(value));
}

static double view_cost(struct clock_view *view)
{
    const uint64_t begin = clock_now_ns();
    for (unsigned i = 0; i < READINGS; i++)
        keep(clock_view_ns(view));
    return per_step(begin, READINGS);
}

static double kernel_cost(void)
{
    const uint64_t begin = clock_now_ns();
    for (unsigned i = 0; i < READINGS; i++)
        keep(clock_now_ns());
    return per_step(begin, READINGS);
}

static double hist_cost(struct hist *hist, const uint64_t *values)
{
    const uint64_t begin = clock_now_ns();
    for (unsigned i = 0; i < SAMPLES; i++)
        hist_record(hist, values[i % VALUES]);
    return per_step(begin, SAMPLES);
}

static void put_clock(json_t *report)
{
    struct clock_view view;
    struct timespec resolution = {0};
    double reading = 1e9;
    double kernel = 1e9;
    clock_view_open(&view);
    for (int i = 0; i < ROUNDS; i++) {
        reading = least(reading, view_cost(&view));
        kernel = least(kernel, kernel_cost());
    }
    clock_getres(CLOCK_MONOTONIC, &resolution);
    json_t *out = put_object(report, "clock");
    put_text(out, "source", clock_view_source(&view));
    put_real(out, "reading_ns", reading);
    put_real(out, "clock_gettime_ns", kernel);
    put_count(out, "resolution_ns", (uint64_t)resolution.tv_nsec);
}

int selftest_instruments(json_t *report)
{
    put_clock(report);
    struct hist *hist = calloc(1, sizeof *hist);
    uint64_t *values = calloc(VALUES, sizeof *values);
    int r = hist && values ? 0 : -ENOMEM;
    double cost = 1e9;
    /* 20 to 60 us, as round trips would be spread */
    for (unsigned i = 0; r == 0 && i < VALUES; i++)
        values[i] = 20000 + random_below(1, i, 40000);
    for (int i = 0; r == 0 && i < ROUNDS; i++)
        cost = least(cost, hist_cost(hist, values));
    if (r == 0) {
        json_t *out = put_object(report, "histogram");
        put_real(out, "sample_ns", cost);
    }
    free(hist);
    free(values);
    return r;
}
