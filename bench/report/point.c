#include "bench/report/point.h"

#include "bench/report/table.h"

#include <math.h>
#include <string.h>

bool point_served_all(const struct summary *s)
{
    return s->flows_served >= s->flows_offered;
}

const char *point_name(const struct point *point, size_t i)
{
    return point->run->matrix->cells[point->cells[i]].server->name;
}

/* Whether a is under more load than b: more comes due, or more clients ask. */
static bool is_heavier(const struct cell *a, const struct cell *b)
{
    if (a->rate_per_s > b->rate_per_s || a->rate_per_s < b->rate_per_s)
        return a->rate_per_s > b->rate_per_s;
    return a->connections > b->connections;
}

static bool is_comparable(const struct cell *a, const struct cell *b)
{
    return table_is_same_block(a, b) && a->size_bytes == b->size_bytes &&
           strcmp(a->swept_else, b->swept_else) == 0;
}

void point_gather(const struct run *run, size_t head, struct point *point)
{
    const struct cell *cells = run->matrix->cells;
    size_t most = head;
    for (size_t i = head; i < run->matrix->count; i++) {
        if (is_comparable(&cells[i], &cells[head]) &&
            is_heavier(&cells[i], &cells[most]))
            most = i;
    }
    point->run = run;
    point->count = 0;
    for (size_t i = head; i < run->matrix->count; i++) {
        if (point->count == SCENARIO_ROWS_MAX ||
            !is_comparable(&cells[i], &cells[most]) ||
            is_heavier(&cells[i], &cells[most]) ||
            is_heavier(&cells[most], &cells[i]) ||
            json_array_size(run->results[i].measured) == 0)
            continue;
        summary_of(run->results[i].measured, &point->summaries[point->count]);
        point->cells[point->count++] = i;
    }
}

bool point_rate_counts(const struct point *point, size_t i)
{
    const char *verdict = cell_verdict(&point->run->results[point->cells[i]]);
    return verdict &&
           (strcmp(verdict, "ok") == 0 || strcmp(verdict, "server_bound") == 0);
}

/* Whether a verdict lets this number stand beside others. */
static bool may_be_compared(const struct point *point, size_t i,
                            enum measure measure)
{
    static const char *const claims[] = {[MEASURE_RATE] = "throughput",
                                         [MEASURE_P99] = "latency",
                                         [MEASURE_CPU] = "server_cpu"};
    const struct cell_result *result = &point->run->results[point->cells[i]];
    return (measure == MEASURE_CPU || point_rate_counts(point, i)) &&
           !cell_withdraws(result, claims[measure]);
}

static double value_of(const struct point *point, size_t i,
                       enum measure measure)
{
    const struct summary *s = &point->summaries[i];
    switch (measure) {
    case MEASURE_RATE:
        return s->requests_per_s.median;
    case MEASURE_P99:
        return s->response_p99_ns.median;
    case MEASURE_CPU:
        return s->server_cpu_ns_per_request.median;
    }
    return (double)NAN;
}

uint64_t point_workers(const struct point *point, size_t i)
{
    return cell_workers(&point->run->results[point->cells[i]]);
}

static void rank_workers(struct ranking *ranking, uint64_t workers)
{
    if (ranking->count == 0 || workers < ranking->least_workers)
        ranking->least_workers = workers;
    if (ranking->count == 0 || workers > ranking->most_workers)
        ranking->most_workers = workers;
}

bool point_rank(const struct point *point, enum measure measure,
                struct ranking *ret_ranking)
{
    struct ranking r = {0};
    for (size_t i = 0; i < point->count; i++) {
        double value = value_of(point, i, measure);
        if (!point_served_all(&point->summaries[i]))
            continue;
        if (isnan(value) || value <= 0 || !may_be_compared(point, i, measure))
            return false;
        bool more = measure == MEASURE_RATE ? value > r.best_value
                                            : value < r.best_value;
        bool less = measure == MEASURE_RATE ? value < r.worst_value
                                            : value > r.worst_value;
        if (r.count == 0) {
            r.first = i;
            r.first_value = value;
        }
        if (r.count == 0 || more) {
            r.best = i;
            r.best_value = value;
        }
        if (r.count == 0 || less) {
            r.worst = i;
            r.worst_value = value;
        }
        rank_workers(&r, point_workers(point, i));
        r.count++;
    }
    *ret_ranking = r;
    return r.count >= 2;
}

bool ranking_is_uneven(const struct ranking *ranking)
{
    return ranking->most_workers > 1 &&
           ranking->most_workers != ranking->least_workers;
}
