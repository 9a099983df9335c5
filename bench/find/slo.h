/*
 * What is asked of a server: "p99<1ms,loss<0.001". Every clause has to hold,
 * and replies have to keep up with what comes due.
 *
 * A request that was not answered is slower than any limit: where more than
 * 1 % of what came due was not answered, p99 does not hold, and max holds only
 * where all was answered.
 */
#ifndef SOCKBENCH_BENCH_FIND_SLO_H
#define SOCKBENCH_BENCH_FIND_SLO_H

#include <stdbool.h>
#include <stddef.h>

#define SLO_CLAUSES_MAX 8
#define SLO_TEXT_MAX 48
#define SLO_ERROR_MAX 240

enum slo_kind {
    SLO_QUANTILE,
    SLO_MAX,
    SLO_LOSS,
    SLO_ERRORS,
};

struct slo_quantity {
    const char *name; /* p50 ... p99.99, max, loss, errors */
    enum slo_kind kind;
    double q; /* of a quantile */
};

struct slo_clause {
    const struct slo_quantity *quantity;
    double limit;            /* ns, or a ratio */
    char text[SLO_TEXT_MAX]; /* "p99 < 1 ms" */
};

struct slo {
    struct slo_clause clauses[SLO_CLAUSES_MAX];
    size_t count;
};

/* 0, or -EINVAL with why in error: one line without the option's name. */
int slo_parse(const char *text, struct slo *ret_slo,
              char error[static SLO_ERROR_MAX]);

/* Whether its limit is a duration in ns; else it is a ratio. */
bool slo_is_duration(const struct slo_quantity *quantity);

/* Whether a clause is about lost datagrams. */
bool slo_asks_for_loss(const struct slo *slo);

/* How many requests a step needs for every percentile of the clauses to be
 * known. */
double slo_requests_needed(const struct slo *slo);

/* The limit of the quantile q in ns, or NAN. */
double slo_limit_ns(const struct slo *slo, double q);

/* "p99 < 1 ms and loss < 0.001". Returns text. */
char *slo_format(const struct slo *slo, char *text, size_t size);

/* 0.05 and 5% alike. 0 or -EINVAL. */
int slo_parse_ratio(const char *text, double *ret_ratio);

#endif
