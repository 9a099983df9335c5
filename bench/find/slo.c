#include "bench/find/slo.h"

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

static const struct slo_quantity quantities[] = {
    {"p50", SLO_QUANTILE, 0.5},
    {"p90", SLO_QUANTILE, 0.9},
    {"p95", SLO_QUANTILE, 0.95},
    {"p99", SLO_QUANTILE, 0.99},
    {"p99.9", SLO_QUANTILE, 0.999},
    {"p99.99", SLO_QUANTILE, 0.9999},
    {"max", SLO_MAX, 1},
    {"loss", SLO_LOSS, 0},
    {"errors", SLO_ERRORS, 0},
};
#define QUANTITY_COUNT (sizeof quantities / sizeof *quantities)

bool slo_is_duration(const struct slo_quantity *quantity)
{
    return quantity->kind == SLO_QUANTILE || quantity->kind == SLO_MAX;
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
        if (slo->clauses[i].quantity->kind == SLO_LOSS)
            return true;
    }
    return false;
}

double slo_requests_needed(const struct slo *slo)
{
    double most = 0;
    for (size_t i = 0; i < slo->count; i++) {
        const struct slo_quantity *quantity = slo->clauses[i].quantity;
        if (quantity->kind == SLO_QUANTILE)
            most =
                fmax(most, SAMPLES_SPARE * SAMPLES_BEYOND / (1 - quantity->q));
    }
    return most;
}

double slo_limit_ns(const struct slo *slo, double q)
{
    for (size_t i = 0; i < slo->count; i++) {
        const struct slo_quantity *quantity = slo->clauses[i].quantity;
        if (quantity->kind == SLO_QUANTILE && fabs(quantity->q - q) < 1e-9)
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
