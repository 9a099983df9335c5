#include "loadgen/measure/hist.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void hist_reset(struct hist *hist)
{
    memset(hist, 0, sizeof *hist);
}

void hist_add(struct hist *into, const struct hist *from)
{
    if (from->total == 0)
        return;
    if (into->total == 0 || from->min < into->min)
        into->min = from->min;
    if (from->max > into->max)
        into->max = from->max;
    into->total += from->total;
    into->sum += from->sum;
    into->sum_of_squares += from->sum_of_squares;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++)
        into->counts[i] += from->counts[i];
}

uint64_t hist_bucket_low(uint32_t index)
{
    if (index < 2 * HIST_HALF)
        return index;
    uint32_t magnitude = (index >> HIST_HALF_BITS) - 1;
    uint64_t step = (index & (HIST_HALF - 1)) + HIST_HALF;
    return step << magnitude;
}

uint64_t hist_bucket_high(uint32_t index)
{
    if (index < 2 * HIST_HALF)
        return index;
    uint32_t magnitude = (index >> HIST_HALF_BITS) - 1;
    return hist_bucket_low(index) + (1ULL << magnitude) - 1;
}

uint64_t hist_at_rank(const struct hist *hist, uint64_t rank)
{
    if (hist->total == 0)
        return 0;
    if (rank >= hist->total)
        return hist->max;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        seen += hist->counts[i];
        if (seen >= rank && hist->counts[i] > 0) {
            uint64_t value = hist_bucket_high(i);
            if (value > hist->max)
                value = hist->max;
            return value < hist->min ? hist->min : value;
        }
    }
    return hist->max;
}

static uint64_t rank_of(double position, uint64_t total)
{
    /* Without the small step back, 0.999 x 1,000 would be rank 1,000. */
    double rank = ceil(position - 1e-9 * (double)total);
    if (rank < 1)
        return 1;
    return rank > (double)total ? total : (uint64_t)rank;
}

uint64_t hist_quantile(const struct hist *hist, double q)
{
    return hist_at_rank(hist, rank_of(q * (double)hist->total, hist->total));
}

double hist_mean(const struct hist *hist)
{
    return hist->total ? hist->sum / (double)hist->total : 0;
}

double hist_stddev(const struct hist *hist)
{
    if (hist->total < 2)
        return 0;
    double n = (double)hist->total;
    double variance =
        (hist->sum_of_squares - hist->sum * hist->sum / n) / (n - 1);
    return variance > 0 ? sqrt(variance) : 0;
}

bool hist_quantile_interval(const struct hist *hist, double q,
                            struct hist_quantile *ret)
{
    return hist_quantile_censored(hist, 0, q, ret);
}

bool hist_quantile_censored(const struct hist *hist, uint64_t beyond, double q,
                            struct hist_quantile *ret)
{
    uint64_t total = hist->total + beyond;
    double n = (double)total;
    if (total == 0 || n * (1 - q) < 10 - 1e-6)
        return false;
    uint64_t rank = rank_of(q * n, total);
    double spread = 1.959963984540054 * sqrt(n * q * (1 - q));
    double low = floor(n * q - spread);
    double high = ceil(n * q + spread) + 1;
    bool has_interval = low >= 1 && high <= n;
    struct hist_quantile result = {
        .q = q,
        .censored = rank > hist->total,
        .has_lo = has_interval && low <= (double)hist->total,
        .has_hi = has_interval && high <= (double)hist->total};
    if (!result.censored)
        result.value_ns = hist_at_rank(hist, rank);
    if (result.has_lo)
        result.lo_ns = hist_at_rank(hist, (uint64_t)low);
    if (result.has_hi)
        result.hi_ns = hist_at_rank(hist, (uint64_t)high);
    *ret = result;
    return true;
}

static uint64_t gained(const struct hist *hist, const struct hist *earlier,
                       uint32_t i)
{
    return hist->counts[i] - (earlier ? earlier->counts[i] : 0);
}

int hist_pack(const struct hist *hist, const struct hist *earlier,
              struct hist_slice *ret)
{
    uint32_t first = 0;
    uint32_t end = HIST_BUCKETS;
    while (first < end && gained(hist, earlier, first) == 0)
        first++;
    while (end > first && gained(hist, earlier, end - 1) == 0)
        end--;
    struct hist_slice slice = {.first = first, .count = end - first};
    if (slice.count > 0) {
        slice.counts = malloc(slice.count * sizeof *slice.counts);
        if (!slice.counts)
            return -ENOMEM;
        for (uint32_t i = 0; i < slice.count; i++)
            slice.counts[i] = (uint32_t)gained(hist, earlier, first + i);
    }
    *ret = slice;
    return 0;
}

void hist_add_slice(struct hist *into, const struct hist_slice *slice)
{
    for (uint32_t i = 0; i < slice->count; i++) {
        uint32_t index = slice->first + i;
        uint64_t count = slice->counts[i];
        if (count == 0)
            continue;
        uint64_t low = hist_bucket_low(index);
        uint64_t high = hist_bucket_high(index);
        if (into->total == 0 || low < into->min)
            into->min = low;
        if (high > into->max)
            into->max = high;
        into->total += count;
        into->counts[index] += count;
        double middle = ((double)low + (double)high) / 2;
        into->sum += middle * (double)count;
        into->sum_of_squares += middle * middle * (double)count;
    }
}

int hist_slice_add(struct hist_slice *into, const struct hist_slice *from,
                   struct hist *scratch)
{
    hist_reset(scratch);
    hist_add_slice(scratch, into);
    hist_add_slice(scratch, from);
    struct hist_slice sum;
    int r = hist_pack(scratch, NULL, &sum);
    if (r < 0)
        return r;
    hist_slice_done(into);
    *into = sum;
    return 0;
}

void hist_slice_done(struct hist_slice *slice)
{
    free(slice->counts);
    *slice = (struct hist_slice){0};
}
