/* Did the rate hold still while it was measured? */
#include "loadgen/report/view.h"

#include "loadgen/measure/report.h"

#include <math.h>
#include <stdlib.h>

#define SLOPE_LEAST 4        /* intervals; below, a slope is an accident */
#define SLOPE_PAIRS_MAX 2000 /* intervals of which all pairs are looked at */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Sorts the values. */
static double median_of(double *values, uint64_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

static double rate_of(const struct view *view, uint64_t interval)
{
    double length_s = (double)view->course->interval_ns / 1e9;
    return (double)view->total->intervals[interval].completed / length_s;
}

uint64_t evidence_whole_intervals(const struct view *view)
{
    double length_s = (double)view->course->interval_ns / 1e9;
    uint64_t whole = (uint64_t)(view->window_s / length_s + 1e-9);
    return whole < view->total->intervals_count ? whole
                                                : view->total->intervals_count;
}

double evidence_interval_median(const struct view *view, uint64_t begin,
                                uint64_t end, uint64_t least)
{
    if (end < begin + least)
        return (double)NAN;
    double *rates = calloc(end - begin, sizeof *rates);
    if (!rates)
        return (double)NAN;
    for (uint64_t i = begin; i < end; i++)
        rates[i - begin] = rate_of(view, i);
    double median = median_of(rates, end - begin);
    free(rates);
    return median;
}

static double half_median(const struct view *view, bool second)
{
    uint64_t whole = evidence_whole_intervals(view);
    uint64_t half = whole / 2;
    uint64_t begin = second ? whole - half : 0;
    return evidence_interval_median(view, begin, begin + half, 2);
}

double evidence_drift(const struct view *view)
{
    double first = half_median(view, false);
    double second = half_median(view, true);
    return first > 0 ? second / first - 1 : (double)NAN;
}

/* The median of the slopes between all pairs of intervals (Theil and Sen): an
 * outlier does not turn it. NAN for short runs. */
static double slope_of(const struct view *view)
{
    uint64_t n = evidence_whole_intervals(view);
    double length_s = (double)view->course->interval_ns / 1e9;
    if (n < SLOPE_LEAST)
        return (double)NAN;
    if (n > SLOPE_PAIRS_MAX) /* the first ones: memory grows with the square */
        n = SLOPE_PAIRS_MAX;
    double *slopes = calloc(n * (n - 1) / 2, sizeof *slopes);
    if (!slopes)
        return (double)NAN;
    uint64_t count = 0;
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t k = i + 1; k < n; k++)
            slopes[count++] = (rate_of(view, k) - rate_of(view, i)) /
                              ((double)(k - i) * length_s);
    }
    double slope = median_of(slopes, count);
    free(slopes);
    return slope;
}

void put_stationarity(json_t *report, const struct view *view)
{
    json_t *out = put_object(report, "stationarity");
    uint64_t whole = evidence_whole_intervals(view);
    double slope = slope_of(view);
    double median = evidence_interval_median(view, 0, whole, 2);
    put_count(out, "intervals", whole);
    put_real(out, "first_half_per_s", half_median(view, false));
    put_real(out, "second_half_per_s", half_median(view, true));
    put_real(out, "drift_ratio", evidence_drift(view));
    put_real(out, "slope_per_s2", slope);
    put_ratio(out, "slope_ratio", slope * view->window_s, median);
}
