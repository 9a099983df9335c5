#include "bench/find/judge.h"

#include "bench/report/aggregate.h"
#include "bench/report/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double at(const json_t *report, const char *first, const char *second)
{
    const char *const path[] = {first, second, NULL};
    return json_number_at(report, path);
}

/* Of what came due, those without a right answer in time. */
static double unanswered_ratio(const json_t *report)
{
    double due = at(report, "accounting", "scheduled");
    return due > 0 ? 1 - at(report, "accounting", "ok") / due : (double)NAN;
}

/* NAN where the report does not give it, INFINITY where it is one of those that
 * were not answered. */
static double quantile_ns(const json_t *report, double q)
{
    const json_t *response =
        json_object_get(json_object_get(report, "latency"), "response");
    size_t i;
    json_t *row;
    if (unanswered_ratio(report) > 1 - q + 1e-12)
        return (double)INFINITY;
    json_array_foreach(json_object_get(response, "quantiles"), i, row)
    {
        const json_t *value = json_object_get(row, "value_ns");
        if (fabs(json_number_value(json_object_get(row, "q")) - q) > 1e-9)
            continue;
        return json_is_number(value) ? json_number_value(value)
                                     : (double)INFINITY;
    }
    return (double)NAN;
}

static double max_ns(const json_t *report)
{
    const char *const path[] = {"latency", "response", "max_ns", NULL};
    if (unanswered_ratio(report) > 0)
        return (double)INFINITY;
    return json_number_at(report, path);
}

/* On streams an answer that is late is an error too; of datagrams it is a loss.
 */
static double errors_ratio(const json_t *report)
{
    double errors = at(report, "accounting", "error");
    if (!json_is_object(json_object_get(report, "udp")))
        errors += at(report, "accounting", "timeout");
    double due = at(report, "accounting", "scheduled");
    return due > 0 ? errors / due : (double)NAN;
}

void slo_read(const json_t *report, struct slo_facts *ret_facts)
{
    struct slo_facts *f = ret_facts;
    double sent = at(report, "udp", "sent");
    f->offered_per_s = at(report, "load", "offered_per_s");
    f->achieved_per_s = at(report, "load", "achieved_per_s");
    f->achieved_ratio = f->offered_per_s > 0
                            ? f->achieved_per_s / f->offered_per_s
                            : (double)NAN;
    f->p50_ns = quantile_ns(report, 0.5);
    f->p99_ns = quantile_ns(report, 0.99);
    f->p999_ns = quantile_ns(report, 0.999);
    f->max_ns = max_ns(report);
    f->loss_ratio = sent > 0 ? at(report, "udp", "lost") / sent : (double)NAN;
    f->errors_ratio = errors_ratio(report);
}

static double value_of(const struct slo_quantity *quantity,
                       const struct slo_facts *facts, const json_t *report)
{
    switch (quantity->kind) {
    case SLO_QUANTILE:
        return quantile_ns(report, quantity->q);
    case SLO_MAX:
        return facts->max_ns;
    case SLO_LOSS:
        return facts->loss_ratio;
    case SLO_ERRORS:
        return facts->errors_ratio;
    }
    return (double)NAN;
}

static void say_broken(const struct slo_clause *clause, double value,
                       char reason[static SLO_REASON_MAX])
{
    const char *name = clause->quantity->name;
    char text[FIGURE_MAX];
    if (isnan(value))
        snprintf(reason, SLO_REASON_MAX, "%s is not known: too few replies",
                 name);
    else if (isinf(value))
        snprintf(reason, SLO_REASON_MAX,
                 "%s was beyond the timeout: too many requests were not "
                 "answered",
                 name);
    else if (slo_is_duration(clause->quantity))
        snprintf(reason, SLO_REASON_MAX, "%s was %s", name,
                 figure_duration(value, text));
    else
        snprintf(reason, SLO_REASON_MAX, "%s was %.3g", name, value);
}

/* The first reason of the report's verdict, after what it means here. */
static void say_verdict(const json_t *report, const char *what,
                        char reason[static SLO_REASON_MAX])
{
    const json_t *reasons =
        json_object_get(json_object_get(report, "verdict"), "reasons");
    const char *first = json_string_value(json_array_get(reasons, 0));
    snprintf(reason, SLO_REASON_MAX, "%s%s%s", what, first ? ": " : "",
             first ? first : "");
}

static const char *verdict_of(const json_t *report)
{
    const char *status = json_string_value(
        json_object_get(json_object_get(report, "verdict"), "status"));
    return status ? status : "invalid";
}

/* The first clause that does not hold, or NULL. */
static const struct slo_clause *broken(const struct slo *slo,
                                       const struct slo_facts *facts,
                                       const json_t *report,
                                       char reason[static SLO_REASON_MAX])
{
    for (size_t i = 0; i < slo->count; i++) {
        const struct slo_clause *clause = &slo->clauses[i];
        double value = value_of(clause->quantity, facts, report);
        if (value < clause->limit)
            continue;
        say_broken(clause, value, reason);
        return clause;
    }
    return NULL;
}

enum step_outcome slo_judge(const struct slo *slo, const json_t *report,
                            const struct slo_clause **ret_clause,
                            char reason[static SLO_REASON_MAX])
{
    struct slo_facts facts;
    const char *verdict = verdict_of(report);
    slo_read(report, &facts);
    reason[0] = '\0';
    *ret_clause = NULL;
    if (strcmp(verdict, "invalid") == 0) {
        say_verdict(report, "not a valid measurement", reason);
        return STEP_BROKE;
    }
    const struct slo_clause *clause = broken(slo, &facts, report, reason);
    if (!clause && facts.achieved_ratio >= SLO_ACHIEVED)
        return STEP_HELD;
    if (strcmp(verdict, "generator_bound") == 0) {
        say_verdict(report, "the generator was the limit", reason);
        return STEP_LIMITED;
    }
    *ret_clause = clause;
    if (!clause)
        snprintf(reason, SLO_REASON_MAX, "%.3g of what came due was answered",
                 facts.achieved_ratio);
    return facts.achieved_ratio < SLO_ACHIEVED_FAR ? STEP_BROKE_FAR
                                                   : STEP_BROKE;
}
