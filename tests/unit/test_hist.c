#include "loadgen/measure/hist.h"
#include "loadgen/measure/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct hist hist;
static struct hist other;

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

Test(hist, quantile_of_empty_is_zero)
{
    struct hist_quantile q;
    cr_expect_eq(hist_quantile(&hist, 0.5), 0);
    cr_expect_not(hist_quantile_interval(&hist, 0.5, &q));
    cr_expect_eq(hist_mean(&hist), 0.0);
}

Test(hist, buckets_tile_the_range_without_gap_or_overlap)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        cr_assert_eq(hist_bucket_low(i), next, "bucket %u", i);
        cr_assert_eq(hist_index(hist_bucket_low(i)), i);
        cr_assert_eq(hist_index(hist_bucket_high(i)), i);
        next = hist_bucket_high(i) + 1;
    }
    cr_expect_eq(next, 1ULL << 42);
    cr_expect_eq(hist_index(UINT64_MAX), HIST_BUCKETS - 1);
}

Test(hist, buckets_keep_three_figures)
{
    for (uint32_t i = 2 * HIST_HALF; i < HIST_BUCKETS; i++) {
        uint64_t width = hist_bucket_high(i) - hist_bucket_low(i) + 1;
        cr_assert_leq(width * 1000, hist_bucket_low(i));
    }
}

Test(hist, quantiles_agree_with_the_sorted_samples_within_a_bucket)
{
    enum {
        COUNT = 5000
    };
    static uint64_t values[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        values[i] = random_at(42, i) >> (24 + random_at(43, i) % 30);
        hist_record(&hist, values[i]);
    }
    qsort(values, COUNT, sizeof *values, by_value);
    cr_expect_eq(hist.min, values[0]);
    cr_expect_eq(hist.max, values[COUNT - 1]);
    static const double qs[] = {0.0002, 0.1, 0.5, 0.9, 0.99, 0.999};
    for (size_t k = 0; k < 6; k++) {
        uint64_t rank = (uint64_t)(qs[k] * COUNT + 0.5);
        uint64_t want = values[rank > 0 ? rank - 1 : 0];
        uint64_t got = hist_quantile(&hist, qs[k]);
        cr_expect_geq(got, want, "q %g", qs[k]);
        cr_expect_leq((double)got, (double)want * 1.001 + 1, "q %g", qs[k]);
    }
}

Test(hist, ranks_of_round_fractions_are_not_pushed_up_by_rounding)
{
    for (uint64_t i = 1; i <= 1000; i++)
        hist_record(&hist, i);
    cr_expect_eq(hist_quantile(&hist, 0.999), 999);
    cr_expect_eq(hist_quantile(&hist, 0.5), 500);
    cr_expect_eq(hist_quantile(&hist, 0.07), 70);
}

Test(hist, merging_is_the_same_as_recording_together)
{
    static struct hist together;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t value = random_below(7, i, 1000000);
        hist_record(i % 3 ? &hist : &other, value);
        hist_record(&together, value);
    }
    hist_add(&hist, &other);
    cr_expect_eq(hist.total, together.total);
    cr_expect_eq(hist.min, together.min);
    cr_expect_eq(hist.max, together.max);
    cr_expect_arr_eq(hist.counts, together.counts, sizeof hist.counts);
    static const struct hist empty;
    hist_add(&hist, &empty);
    cr_expect_eq(hist.min, together.min);
}

Test(hist, no_quantile_is_given_where_fewer_than_ten_samples_lie_above)
{
    struct hist_quantile q;
    for (uint64_t i = 0; i < 999; i++)
        hist_record(&hist, 100);
    cr_expect_not(hist_quantile_interval(&hist, 0.99, &q));
    hist_record(&hist, 100);
    cr_expect(hist_quantile_interval(&hist, 0.99, &q));
    hist_reset(&hist);
    for (uint64_t i = 0; i < 19; i++)
        hist_record(&hist, 100);
    cr_expect_not(hist_quantile_interval(&hist, 0.5, &q));
    hist_record(&hist, 100);
    cr_expect(hist_quantile_interval(&hist, 0.5, &q));
}

Test(hist, requests_given_up_rank_above_every_sample)
{
    struct hist_quantile q;
    for (uint64_t i = 1; i <= 900; i++)
        hist_record(&hist, i);
    /* 900 samples and 100 without a reply: rank 900 is the last known. */
    cr_assert(hist_quantile_censored(&hist, 100, 0.9, &q));
    cr_expect_not(q.censored);
    cr_expect_eq(q.value_ns, 900);
    cr_expect(q.has_lo);
    cr_expect_not(q.has_hi, "its upper end lies among those given up");
    cr_assert(hist_quantile_censored(&hist, 101, 0.9, &q));
    cr_expect(q.censored);
    cr_expect(q.has_lo, "its lower end does not");
    cr_assert(hist_quantile_censored(&hist, 100, 0.99, &q));
    cr_expect(q.censored);
    cr_expect_not(q.has_lo || q.has_hi);
    /* They shift what lies below them as well. */
    cr_assert(hist_quantile_censored(&hist, 100, 0.5, &q));
    cr_expect_eq(q.value_ns, 500);
    cr_assert(hist_quantile_interval(&hist, 0.5, &q));
    cr_expect_eq(q.value_ns, 450);
}

Test(hist, requests_given_up_count_among_the_ten_that_must_lie_above)
{
    struct hist_quantile q;
    for (uint64_t i = 0; i < 995; i++)
        hist_record(&hist, 100);
    cr_expect_not(hist_quantile_censored(&hist, 4, 0.99, &q));
    cr_assert(hist_quantile_censored(&hist, 5, 0.99, &q));
    cr_expect_eq(q.value_ns, 100);
    hist_reset(&hist);
    cr_assert(hist_quantile_censored(&hist, 20, 0.5, &q));
    cr_expect(q.censored, "nothing was answered at all");
}

Test(hist, the_interval_covers_the_true_median_in_95_of_100_draws)
{
    unsigned covered = 0;
    for (uint64_t draw = 0; draw < 1000; draw++) {
        hist_reset(&hist);
        for (uint64_t i = 0; i < 101; i++)
            hist_record(&hist, random_below(draw, i, 2000));
        struct hist_quantile q;
        cr_assert(hist_quantile_interval(&hist, 0.5, &q));
        cr_assert(q.has_lo && q.has_hi);
        covered += q.lo_ns <= 1000 && q.hi_ns >= 999;
    }
    cr_expect_geq(covered, 930);
    cr_expect_leq(covered, 985);
}

Test(hist, a_packed_slice_gives_the_same_buckets_back)
{
    for (uint64_t i = 0; i < 1000; i++)
        hist_record(&hist, 5000 + random_below(1, i, 90000));
    struct hist_slice slice;
    cr_assert_eq(hist_pack(&hist, NULL, &slice), 0);
    hist_add_slice(&other, &slice);
    cr_expect_eq(other.total, hist.total);
    cr_expect_arr_eq(other.counts, hist.counts, sizeof hist.counts);
    hist_slice_done(&slice);
    static struct hist earlier;
    earlier = hist;
    hist_record(&hist, 77);
    cr_assert_eq(hist_pack(&hist, &earlier, &slice), 0);
    cr_expect_eq(slice.count, 1);
    cr_expect_eq(slice.first, 77);
    hist_slice_done(&slice);
    hist_reset(&hist);
    cr_assert_eq(hist_pack(&hist, NULL, &slice), 0);
    cr_expect_eq(slice.count, 0);
}
