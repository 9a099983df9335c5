#include "bench/find_slo.h"

#include "bench/aggregate.h"
#include "bench/figures.h"
#include "servers/cli/nearest.h"
#include "servers/cli/units.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_BEYOND 10 /* as the report wants them for a percentile */
#define SAMPLES_SPARE 1.2 /* what comes due is random */

enum kind {
    KIND_QUANTILE,
    KIND_MAX,
    KIND_LOSS,
    KIND_ERRORS,
};

struct slo_quantity {
    const char *name;
    enum kind kind;
    double q; /* of a quantile */
};

static const struct slo_quantity quantities[] = {
    {"p50", KIND_QUANTILE, 0.5},
    {"p90", KIND_QUANTILE, 0.9},
    {"p95", KIND_QUANTILE, 0.95},
    {"p99", KIND_QUANTILE, 0.99},
    {"p99.9", KIND_QUANTILE, 0.999},
    {"p99.99", KIND_QUANTILE, 0.9999},
    {"max", KIND_MAX, 1},
    {"loss", KIND_LOSS, 0},
    {"errors", KIND_ERRORS, 0},
};
#define QUANTITY_COUNT (sizeof quantities / sizeof *quantities)

const char *slo_quantity_name(const struct slo_quantity *quantity)
{
    return quantity->name;
}

bool slo_is_duration(const struct slo_quantity *quantity)
{
    return quantity->kind == KIND_QUANTILE || quantity->kind == KIND_MAX;
}

int slo_parse_ratio(const char *text, double *ret_ratio)
{
    char *end = NULL;
    if (strchr("0123456789.", *text) == NULL || *text == '\0' ||
        strpbrk(text, "xXpP"))
        return -EINVAL;
    double ratio = strtod(text, &end);
    if (end == text)
        return -EINVAL;
    if (strcmp(end, "%") == 0)
        ratio /= 100;
    else if (*end)
        return -EINVAL;
    if (!(ratio >= 0 && ratio <= 1))
        return -EINVAL;
    *ret_ratio = ratio;
    return 0;
}

static const struct slo_quantity *find_quantity(const char *name)
{
    for (size_t i = 0; i < QUANTITY_COUNT; i++) {
        if (strcmp(quantities[i].name, name) == 0)
            return &quantities[i];
    }
    return NULL;
}

static int unknown_quantity(const char *name, char error[static SLO_ERROR_MAX])
{
    const char *names[QUANTITY_COUNT + 1] = {NULL};
    for (size_t i = 0; i < QUANTITY_COUNT; i++)
        names[i] = quantities[i].name;
    const char *near = nearest_name(name, names);
    if (near)
        snprintf(error, SLO_ERROR_MAX,
                 "unknown quantity '%s' (did you mean '%s'?)", name, near);
    else
        snprintf(error, SLO_ERROR_MAX,
                 "unknown quantity '%s': one of p50, p90, p95, p99, p99.9, "
                 "p99.99, max, loss, errors",
                 name);
    return -EINVAL;
}

static int parse_limit(const char *text, struct slo_clause *clause,
                       char error[static SLO_ERROR_MAX])
{
    const char *name = clause->quantity->name;
    uint64_t ns = 0;
    if (!slo_is_duration(clause->quantity)) {
        if (slo_parse_ratio(text, &clause->limit) < 0 || clause->limit <= 0) {
            snprintf(error, SLO_ERROR_MAX,
                     "'%s' is not a limit for %s: a ratio such as 0.001, "
                     "above 0",
                     text, name);
            return -EINVAL;
        }
        snprintf(clause->text, sizeof clause->text, "%s < %g", name,
                 clause->limit);
        return 0;
    }
    if (units_parse_duration(text, &ns) < 0 || ns == 0) {
        snprintf(error, SLO_ERROR_MAX,
                 "'%s' is not a limit for %s: a time such as 250us or 1ms",
                 text, name);
        return -EINVAL;
    }
    /* As it was typed, with a space before the unit. */
    int digits = (int)strspn(text, "0123456789.");
    clause->limit = (double)ns;
    snprintf(clause->text, sizeof clause->text, "%s < %.*s %s", name, digits,
             text, text + digits);
    return 0;
}

static char *trimmed(char *text)
{
    text += strspn(text, " ");
    for (size_t n = strlen(text); n > 0 && text[n - 1] == ' '; n--)
        text[n - 1] = '\0';
    return text;
}

/* One "quantity<limit". */
static int parse_clause(char *text, struct slo *slo,
                        char error[static SLO_ERROR_MAX])
{
    char *sign = strchr(text, '<');
    struct slo_clause *clause = &slo->clauses[slo->count];
    if (!sign) {
        snprintf(error, SLO_ERROR_MAX,
                 "'%s' is no clause: quantity<limit, such as p99<1ms",
                 trimmed(text));
        return -EINVAL;
    }
    *sign = '\0';
    char *name = trimmed(text);
    clause->quantity = find_quantity(name);
    if (!clause->quantity)
        return unknown_quantity(name, error);
    for (size_t i = 0; i < slo->count; i++) {
        if (slo->clauses[i].quantity == clause->quantity) {
            snprintf(error, SLO_ERROR_MAX, "%s stands there twice", name);
            return -EINVAL;
        }
    }
    int r = parse_limit(trimmed(sign + 1), clause, error);
    if (r == 0)
        slo->count++;
    return r;
}

int slo_parse(const char *text, struct slo *ret_slo,
              char error[static SLO_ERROR_MAX])
{
    struct slo slo = {0};
    char *copy = strdup(text);
    char *rest = copy;
    int r = 0;
    if (!copy) {
        snprintf(error, SLO_ERROR_MAX, "out of memory");
        return -EINVAL;
    }
    for (char *part; r == 0 && (part = strsep(&rest, ","));) {
        if (slo.count == SLO_CLAUSES_MAX) {
            snprintf(error, SLO_ERROR_MAX, "more than %d clauses",
                     SLO_CLAUSES_MAX);
            r = -EINVAL;
        } else {
            r = parse_clause(part, &slo, error);
        }
    }
    free(copy);
    if (r == 0)
        *ret_slo = slo;
    return r;
}

bool slo_asks_for_loss(const struct slo *slo)
{
    for (size_t i = 0; i < slo->count; i++) {
        if (slo->clauses[i].quantity->kind == KIND_LOSS)
            return true;
    }
    return false;
}

double slo_requests_needed(const struct slo *slo)
{
    double most = 0;
    for (size_t i = 0; i < slo->count; i++) {
        const struct slo_quantity *quantity = slo->clauses[i].quantity;
        if (quantity->kind == KIND_QUANTILE)
            most =
                fmax(most, SAMPLES_SPARE * SAMPLES_BEYOND / (1 - quantity->q));
    }
    return most;
}

double slo_limit_ns(const struct slo *slo, double q)
{
    for (size_t i = 0; i < slo->count; i++) {
        const struct slo_quantity *quantity = slo->clauses[i].quantity;
        if (quantity->kind == KIND_QUANTILE && fabs(quantity->q - q) < 1e-9)
            return slo->clauses[i].limit;
    }
    return (double)NAN;
}

char *slo_format(const struct slo *slo, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < slo->count && used < size; i++) {
        int n = snprintf(text + used, size - used, "%s%s",
                         i == 0                ? ""
                         : i + 1 == slo->count ? " and "
                                               : ", ",
                         slo->clauses[i].text);
        used += n > 0 ? (size_t)n : 0;
    }
    return text;
}

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
    case KIND_QUANTILE:
        return quantile_ns(report, quantity->q);
    case KIND_MAX:
        return facts->max_ns;
    case KIND_LOSS:
        return facts->loss_ratio;
    case KIND_ERRORS:
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
