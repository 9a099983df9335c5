/*
 * A log-linear histogram of durations in ns, three significant figures, in the
 * bucket layout of HdrHistogram (lowest 1, 3 figures: 2,048 sub-buckets, of
 * which each further power of two uses the upper half). A fixed shape, so that
 * merging is a vector add. 0 to 2^42 - 1 ns (73 minutes); larger values are
 * counted in the last bucket, and the exact maximum is kept beside it.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_HIST_H
#define SOCKBENCH_LOADGEN_MEASURE_HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HIST_HALF 1024u
#define HIST_HALF_BITS 10u
#define HIST_MAGNITUDES 32u /* 2^11 * 2^31 = 2^42 */
#define HIST_BUCKETS ((HIST_MAGNITUDES + 1) * HIST_HALF)

struct hist {
    uint64_t total;
    uint64_t min; /* exact; meaningless while total is 0 */
    uint64_t max;
    double sum;
    double sum_of_squares;
    uint64_t counts[HIST_BUCKETS];
};

/* Empties it. A zeroed struct hist is empty as well. */
void hist_reset(struct hist *hist);

static inline uint32_t hist_index(uint64_t value_ns)
{
    if (value_ns >> 42)
        return HIST_BUCKETS - 1;
    /* The power of two above the first 2,048 values. */
    uint32_t magnitude =
        (uint32_t)(63 - __builtin_clzll(value_ns | (2 * HIST_HALF - 1))) -
        HIST_HALF_BITS;
    return (magnitude << HIST_HALF_BITS) + (uint32_t)(value_ns >> magnitude);
}

static inline void hist_record(struct hist *hist, uint64_t value_ns)
{
    if (value_ns < hist->min || hist->total == 0)
        hist->min = value_ns;
    if (value_ns > hist->max)
        hist->max = value_ns;
    hist->total++;
    hist->counts[hist_index(value_ns)]++;
    double value = (double)value_ns;
    hist->sum += value;
    hist->sum_of_squares += value * value;
}

void hist_add(struct hist *into, const struct hist *from);

/* The least and the greatest value that a bucket holds. */
uint64_t hist_bucket_low(uint32_t index);
uint64_t hist_bucket_high(uint32_t index);

/*
 * The value of the sample at rank ceil(q x total), 1 <= rank <= total: the
 * greatest value of its bucket, held within the exact minimum and maximum.
 * 0 for an empty histogram.
 */
uint64_t hist_quantile(const struct hist *hist, double q);
uint64_t hist_at_rank(const struct hist *hist, uint64_t rank);

double hist_mean(const struct hist *hist);
double hist_stddev(const struct hist *hist);

/* A quantile with its distribution-free 95 % interval. */
struct hist_quantile {
    double q;
    uint64_t value_ns; /* 0 where censored */
    bool censored;     /* its rank is that of a request without a reply */
    bool has_lo;       /* false: too few samples, or censored as well */
    bool has_hi;       /* likewise; the two differ only by censoring */
    uint64_t lo_ns;
    uint64_t hi_ns;
};

/*
 * The q-quantile and the order statistics that hold it with 95 % confidence
 * (binomial ranks by the normal approximation; Conover, Practical Nonparametric
 * Statistics, 3.2). Returns false, and fills nothing, where fewer than ten
 * samples lie above: n (1 - q) < 10 for q > 0.5, or an empty histogram.
 */
bool hist_quantile_interval(const struct hist *hist, double q,
                            struct hist_quantile *ret);

/*
 * The same where `beyond` more requests waited longer than any sample and were
 * given up: they take the highest ranks. A quantile among them has no value,
 * but it is given, as censored, for its rank is known; to leave them out would
 * be to measure only those that did well.
 */
bool hist_quantile_censored(const struct hist *hist, uint64_t beyond, double q,
                            struct hist_quantile *ret);

/* The part of a histogram that is not empty: small enough to keep one a second.
 * Values beyond the buckets' precision are lost: min and max are bucket
 * bounds. */
struct hist_slice {
    uint32_t first;
    uint32_t count; /* 0: empty */
    uint32_t *counts;
};

/* What hist gained since it looked like `earlier` (NULL: since it was empty). 0
 * or -ENOMEM; released by hist_slice_done. */
int hist_pack(const struct hist *hist, const struct hist *earlier,
              struct hist_slice *ret);
void hist_add_slice(struct hist *into, const struct hist_slice *slice);
/* into += from, through an empty-able scratch histogram. 0 or -ENOMEM. */
int hist_slice_add(struct hist_slice *into, const struct hist_slice *from,
                   struct hist *scratch);
void hist_slice_done(struct hist_slice *slice);

#endif
