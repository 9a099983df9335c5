/* Measured beside the measurement: what a verdict rests on. */
#include "loadgen/view.h"

#include "loadgen/measure/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_rate(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The rates of the whole intervals among [begin, end), sorted, on the heap; the
 * last interval of a window may be cut, and does not count. */
static double *interval_rates(const struct view *view, uint64_t begin,
                              uint64_t end)
{
    double length_s = (double)view->course->interval_ns / 1e9;
    double *rates = calloc(end - begin + 1, sizeof *rates);
    for (uint64_t i = begin; rates && i < end; i++)
        rates[i - begin] =
            (double)view->total->intervals[i].completed / length_s;
    if (rates)
        qsort(rates, end - begin, sizeof *rates, by_rate);
    return rates;
}

uint64_t evidence_whole_intervals(const struct view *view)
{
    double length_s = (double)view->course->interval_ns / 1e9;
    uint64_t whole = (uint64_t)(view->window_s / length_s + 1e-9);
    return whole < view->total->intervals_count ? whole
                                                : view->total->intervals_count;
}

/* NAN where there are fewer than `least` intervals. */
double evidence_interval_median(const struct view *view, uint64_t begin,
                                uint64_t end, uint64_t least)
{
    if (end < begin + least)
        return (double)NAN;
    double *rates = interval_rates(view, begin, end);
    if (!rates)
        return (double)NAN;
    uint64_t n = end - begin;
    double median = (rates[(n - 1) / 2] + rates[n / 2]) / 2;
    free(rates);
    return median;
}

/* Second half of the window against the first; NAN for short runs. */
double evidence_drift(const struct view *view)
{
    uint64_t whole = evidence_whole_intervals(view);
    double first = evidence_interval_median(view, 0, whole / 2, 2);
    double second = evidence_interval_median(view, whole - whole / 2, whole, 2);
    return first > 0 ? second / first - 1 : (double)NAN;
}

/* Little's law: clients in the system over rate x response time, which is 1
 * where every client always waits for a reply. NAN where that is not so. */
double evidence_littles_law(const struct view *view)
{
    const struct course *course = view->course;
    const struct tally *t = view->total;
    if (course->rate_per_s > 0 || course->reconnect_every > 0 ||
        t->accounting.timeout > 0 || t->response.total == 0 ||
        view->window_s <= 0)
        return (double)NAN;
    double waiting = (double)t->window_completed / view->window_s *
                     hist_mean(&t->response) / 1e9;
    return waiting / ((double)t->flows_served * course->depth);
}

static double steal_of(const json_t *before, const json_t *after)
{
    double total = 0;
    double steal = 0;
    const char *kind;
    json_t *ticks;
    json_object_foreach(json_object_get(after, "cpu_ticks"), kind, ticks)
    {
        const json_t *earlier =
            json_object_get(json_object_get(before, "cpu_ticks"), kind);
        double used = json_number_value(ticks) - json_number_value(earlier);
        total += used;
        if (strcmp(kind, "steal") == 0)
            steal = used;
    }
    return total > 0 ? steal / total : (double)NAN;
}

static void put_shared_cpus(json_t *out, const struct placement *placement)
{
    if (placement->kind == PLACEMENT_FREE) {
        put_null(out, "shared_cpus");
        return;
    }
    json_t *list = put_array(out, "shared_cpus");
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &placement->shared))
            json_array_append_new(list, json_integer((json_int_t)cpu));
    }
}

/* What the verdict rests on, and what a reader may want to judge by himself. */
void put_evidence(json_t *report, const struct view *view)
{
    const json_t *environment = json_object_get(report, "environment");
    json_t *out = put_object(report, "evidence");
    put_real(out, "littles_law_ratio", evidence_littles_law(view));
    put_real(out, "drift_ratio", evidence_drift(view));
    if (view->course->rate_per_s > 0)
        put_ratio(out, "achieved_ratio", (double)view->total->accounting.ok,
                  (double)view->total->accounting.scheduled);
    else
        put_null(out, "achieved_ratio");
    put_real(out, "steal_ratio",
             steal_of(json_object_get(environment, "before"),
                      json_object_get(environment, "after")));
    put_shared_cpus(out, &view->plan->placement);
    put_limit(out, view, environment);
}

/* A thread's CPU without the passes in which it only looked at the clock. */
double evidence_busy_ns(uint64_t cpu_ns, uint64_t idle_ns)
{
    return cpu_ns > idle_ns ? (double)(cpu_ns - idle_ns) : 0;
}
