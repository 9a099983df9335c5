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

#include "bench/find_search.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define SLO_CLAUSES_MAX 8
#define SLO_TEXT_MAX 48
#define SLO_ERROR_MAX 240
#define SLO_REASON_MAX 320
#define SLO_ACHIEVED 0.99     /* replies over what came due */
#define SLO_ACHIEVED_FAR 0.90 /* less than this is no chance */

struct slo_quantity; /* p50 ... p99.99, max, loss, errors */

struct slo_clause {
    const struct slo_quantity *quantity;
    double limit;            /* ns, or a ratio */
    char text[SLO_TEXT_MAX]; /* "p99 < 1 ms" */
};

struct slo {
    struct slo_clause clauses[SLO_CLAUSES_MAX];
    size_t count;
};

/* What one load report says, as far as it matters here. NAN: not known;
 * INFINITY: beyond every limit. */
struct slo_facts {
    double offered_per_s, achieved_per_s, achieved_ratio;
    double p50_ns, p99_ns, p999_ns, max_ns;
    double loss_ratio, errors_ratio;
};

/* 0, or -EINVAL with why in error: one line without the option's name. */
int slo_parse(const char *text, struct slo *ret_slo,
              char error[static SLO_ERROR_MAX]);

/* "p99", "loss" ... */
const char *slo_quantity_name(const struct slo_quantity *quantity);

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

void slo_read(const json_t *report, struct slo_facts *ret_facts);

/*
 * What a load report means: *ret_clause is the first clause that did not hold,
 * or NULL (all held, or it is not a clause that broke), and reason says why it
 * did not ("p99 was 2.40 ms"), "" where it held.
 */
enum step_outcome slo_judge(const struct slo *slo, const json_t *report,
                            const struct slo_clause **ret_clause,
                            char reason[static SLO_REASON_MAX]);

/* 0.05 and 5% alike. 0 or -EINVAL. */
int slo_parse_ratio(const char *text, double *ret_ratio);

#endif
