#include "bench/report/aggregate.h"

#include "loadgen/measure/report.h"

#include <math.h>
#include <stdlib.h>

/* A path of keys for json_number_at. */
#define PATH(...) ((const char *const[]){__VA_ARGS__, NULL})

static int ascending(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

struct spread spread_of(double *values, size_t count)
{
    if (count == 0)
        return (struct spread){0, (double)NAN, (double)NAN, (double)NAN,
                               (double)NAN};
    qsort(values, count, sizeof *values, ascending);
    double middle = values[count / 2];
    if (count % 2 == 0)
        middle = (values[count / 2 - 1] + middle) / 2;
    return (struct spread){count, middle, values[0], values[count - 1],
                           (double)NAN};
}

double json_number_at(const json_t *object, const char *const *keys)
{
    for (; *keys; keys++)
        object = json_object_get(object, *keys);
    return json_is_number(object) ? json_number_value(object) : (double)NAN;
}

static const json_t *quantile_row(const json_t *report, const char *name,
                                  double q)
{
    json_t *latency = json_object_get(report, "latency");
    json_t *list = json_object_get(json_object_get(latency, name), "quantiles");
    size_t i;
    json_t *row;
    json_array_foreach(list, i, row)
    {
        if (fabs(json_number_value(json_object_get(row, "q")) - q) < 1e-9)
            return row;
    }
    return NULL;
}

double report_quantile_ns(const json_t *report, const char *name, double q)
{
    const json_t *row = quantile_row(report, name, q);
    bool censored = json_is_number(json_object_get(row, "above_ns"));
    return censored ? (double)INFINITY : json_number_at(row, PATH("value_ns"));
}

/* What the quantiles that have no value are known to be above: the least of
 * all, so that it is true of each. */
static double above_of(const json_t *reports, double q)
{
    double least = (double)NAN;
    size_t i;
    json_t *report;
    json_array_foreach(reports, i, report)
    {
        double above = json_number_at(quantile_row(report, "response", q),
                                      PATH("above_ns"));
        least = isnan(least) || above < least ? above : least;
    }
    return least;
}

static bool is_below_lateness(const json_t *reports, double q)
{
    bool below = false;
    size_t i;
    json_t *report;
    json_array_foreach(reports, i, report)
    {
        below |= json_is_true(json_object_get(
            quantile_row(report, "response", q), "below_lateness"));
    }
    return below;
}

static double lost_ratio_of(const json_t *report)
{
    double sent = json_number_at(report, PATH("udp", "sent"));
    double lost = json_number_at(report, PATH("udp", "lost"));
    return sent > 0 ? lost / sent : (double)NAN;
}

enum metric {
    METRIC_RATE,
    METRIC_OFFERED,
    METRIC_ACHIEVED,
    METRIC_P50,
    METRIC_P99,
    METRIC_CONNECT,
    METRIC_SERVER_CPU,
    METRIC_GENERATOR_CPU,
    METRIC_RSS,
    METRIC_PSS,
    METRIC_LOST,
};

/* One way, what was sent says nothing of the server: what arrived does. */
static double rate_of(const json_t *report)
{
    const json_t *load = json_object_get(report, "load");
    return json_is_true(json_object_get(load, "one_way"))
               ? json_number_at(report, PATH("udp", "delivered_per_s"))
               : json_number_at(report, PATH("throughput", "requests_per_s"));
}

static double metric_of(const json_t *report, enum metric metric)
{
    switch (metric) {
    case METRIC_RATE:
        return rate_of(report);
    case METRIC_OFFERED:
        return json_number_at(report, PATH("load", "offered_per_s"));
    case METRIC_ACHIEVED:
        return json_number_at(report, PATH("load", "achieved_per_s"));
    case METRIC_P50:
        return report_quantile_ns(report, "response", 0.5);
    case METRIC_P99:
        return report_quantile_ns(report, "response", 0.99);
    case METRIC_CONNECT:
        return report_quantile_ns(report, "connect", 0.5);
    case METRIC_SERVER_CPU:
        return json_number_at(report, PATH("server", "cpu_ns_per_request"));
    case METRIC_GENERATOR_CPU:
        return json_number_at(report, PATH("generator", "cpu_ns_per_request"));
    case METRIC_RSS:
        return json_number_at(report, PATH("server", "rss_peak_bytes"));
    case METRIC_PSS:
        return json_number_at(report, PATH("server", "pss_peak_bytes"));
    case METRIC_LOST:
        return lost_ratio_of(report);
    }
    return (double)NAN;
}

static struct spread spread_over(const json_t *reports, enum metric metric)
{
    struct spread spread = spread_of(NULL, 0);
    double *values = calloc(json_array_size(reports) + 1, sizeof *values);
    size_t count = 0;
    size_t i;
    json_t *report;
    if (!values)
        return spread;
    json_array_foreach(reports, i, report)
    {
        double value = metric_of(report, metric);
        if (!isnan(value))
            values[count++] = value;
    }
    spread = spread_of(values, count);
    free(values);
    return spread;
}

static void count_flows(const json_t *reports, struct summary *summary)
{
    size_t i;
    json_t *report;
    bool first = true;
    json_array_foreach(reports, i, report)
    {
        double offered =
            json_number_at(report, PATH("load", "flows", "offered"));
        double served = json_number_at(report, PATH("load", "flows", "served"));
        if (isnan(offered) || isnan(served))
            continue;
        summary->flows_offered = (uint64_t)offered;
        if (first || (uint64_t)served < summary->flows_served)
            summary->flows_served = (uint64_t)served;
        first = false;
    }
}

void summary_of(const json_t *reports, struct summary *ret_summary)
{
    struct summary summary = {
        .requests_per_s = spread_over(reports, METRIC_RATE),
        .offered_per_s = spread_over(reports, METRIC_OFFERED),
        .achieved_per_s = spread_over(reports, METRIC_ACHIEVED),
        .response_p50_ns = spread_over(reports, METRIC_P50),
        .response_p99_ns = spread_over(reports, METRIC_P99),
        .connect_p50_ns = spread_over(reports, METRIC_CONNECT),
        .server_cpu_ns_per_request = spread_over(reports, METRIC_SERVER_CPU),
        .generator_cpu_ns_per_request =
            spread_over(reports, METRIC_GENERATOR_CPU),
        .rss_peak_bytes = spread_over(reports, METRIC_RSS),
        .pss_peak_bytes = spread_over(reports, METRIC_PSS),
        .lost_ratio = spread_over(reports, METRIC_LOST),
    };
    count_flows(reports, &summary);
    if (isinf(summary.response_p50_ns.median))
        summary.response_p50_ns.above = above_of(reports, 0.5);
    if (isinf(summary.response_p99_ns.median))
        summary.response_p99_ns.above = above_of(reports, 0.99);
    summary.p50_below_lateness = is_below_lateness(reports, 0.5);
    summary.p99_below_lateness = is_below_lateness(reports, 0.99);
    *ret_summary = summary;
}

static void put_spread(json_t *object, const char *key,
                       const struct spread *spread)
{
    if (spread->n == 0) {
        put_null(object, key);
        return;
    }
    json_t *row = put_object(object, key);
    put_real(row, "median", spread->median);
    put_real(row, "min", spread->min);
    put_real(row, "max", spread->max);
    put_real(row, "above", spread->above);
    put_count(row, "n", spread->n);
}

json_t *summary_json(const struct summary *summary)
{
    json_t *object = json_object();
    put_spread(object, "requests_per_s", &summary->requests_per_s);
    put_spread(object, "offered_per_s", &summary->offered_per_s);
    put_spread(object, "achieved_per_s", &summary->achieved_per_s);
    put_spread(object, "response_p50_ns", &summary->response_p50_ns);
    put_spread(object, "response_p99_ns", &summary->response_p99_ns);
    put_spread(object, "connect_p50_ns", &summary->connect_p50_ns);
    put_spread(object, "server_cpu_ns_per_request",
               &summary->server_cpu_ns_per_request);
    put_spread(object, "generator_cpu_ns_per_request",
               &summary->generator_cpu_ns_per_request);
    put_spread(object, "rss_peak_bytes", &summary->rss_peak_bytes);
    put_spread(object, "pss_peak_bytes", &summary->pss_peak_bytes);
    put_spread(object, "lost_ratio", &summary->lost_ratio);
    json_t *flows = put_object(object, "flows");
    put_count(flows, "offered", summary->flows_offered);
    put_count(flows, "served", summary->flows_served);
    return object;
}
