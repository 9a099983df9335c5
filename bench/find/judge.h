/* What the report of a load means for what was asked. */
#ifndef SOCKBENCH_BENCH_FIND_JUDGE_H
#define SOCKBENCH_BENCH_FIND_JUDGE_H

#include "bench/find/search.h"
#include "bench/find/slo.h"

#include <jansson.h>

#define SLO_REASON_MAX 320
#define SLO_ACHIEVED 0.99     /* replies over what came due */
#define SLO_ACHIEVED_FAR 0.90 /* less than this is no chance */

/* What one load report says, as far as it matters here. NAN: not known;
 * INFINITY: beyond every limit. */
struct slo_facts {
    double offered_per_s, achieved_per_s, achieved_ratio;
    double p50_ns, p99_ns, p999_ns, max_ns;
    double loss_ratio, errors_ratio;
};

void slo_read(const json_t *report, struct slo_facts *ret_facts);

/*
 * What a load report means: *ret_clause is the first clause that did not hold,
 * or NULL (all held, or it is not a clause that broke), and reason says why it
 * did not ("p99 was 2.40 ms"), "" where it held.
 */
enum step_outcome slo_judge(const struct slo *slo, const json_t *report,
                            const struct slo_clause **ret_clause,
                            char reason[static SLO_REASON_MAX]);

#endif
