#include "loadgen/measure/lengths.h"

#include <criterion/criterion.h>

Test(lengths, each_below_64_is_told_by_itself)
{
    struct lengths lengths = {0};
    for (uint64_t length = 0; length < 64; length++)
        lengths_record(&lengths, length, length + 1);
    for (unsigned i = 0; i < 64; i++) {
        cr_expect_eq(lengths.buckets[i], i + 1);
        cr_expect_eq(lengths_bucket_low(i), i);
        cr_expect_eq(lengths_bucket_high(i), i);
    }
    cr_expect_eq(lengths.count, 64 * 65 / 2);
    cr_expect_eq(lengths.max, 63);
}

Test(lengths, longer_ones_share_powers_of_two_without_a_gap)
{
    for (unsigned i = 64; i < LENGTHS_BUCKETS; i++) {
        struct lengths lengths = {0};
        cr_expect_eq(lengths_bucket_low(i), lengths_bucket_high(i - 1) + 1);
        lengths_record(&lengths, lengths_bucket_low(i), 1);
        lengths_record(&lengths, lengths_bucket_high(i), 1);
        cr_expect_eq(lengths.buckets[i], 2);
    }
    cr_expect_eq(lengths_bucket_high(LENGTHS_BUCKETS - 1), UINT64_MAX);
}

Test(lengths, none_of_a_length_leaves_no_trace)
{
    struct lengths lengths = {0};
    lengths_record(&lengths, 1000, 0);
    cr_expect_eq(lengths.count, 0);
    cr_expect_eq(lengths.max, 0);
}

Test(lengths, sums_are_vector_sums)
{
    struct lengths one = {0};
    struct lengths other = {0};
    lengths_record(&one, 3, 2);
    lengths_record(&one, 100, 1);
    lengths_record(&other, 3, 5);
    lengths_add(&one, &other);
    cr_expect_eq(one.count, 8);
    cr_expect_eq(one.sum, 121);
    cr_expect_eq(one.max, 100);
    cr_expect_eq(one.buckets[3], 7);
    cr_expect_eq(lengths_at_least(&one, 3), 8);
    cr_expect_eq(lengths_at_least(&one, 4), 1);
}
