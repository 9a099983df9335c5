#include "loadgen/loop/throttle.h"

#include <criterion/criterion.h>

/* Requests that pass in a second when one is tried every step_ns. */
static uint32_t passed(struct throttle *throttle, uint64_t begin_ns,
                       uint64_t step_ns, size_t bytes)
{
    uint32_t count = 0;
    for (uint64_t now = begin_ns; now < begin_ns + 1000000000; now += step_ns) {
        while (throttle_allows(throttle, now)) {
            throttle_charge(throttle, now, bytes);
            count++;
        }
    }
    return count;
}

Test(throttle, requests_keep_to_their_rate_however_often_one_tries)
{
    const uint64_t steps[] = {1000, 70000, 1000000, 9000000};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct throttle throttle;
        cr_assert_eq(throttle_init(&throttle, 10000, 1e12, 4), 0);
        uint32_t count = passed(&throttle, 77, steps[i], 64);
        cr_expect_leq(count, 10000 + 11, "%u", count);
        if (steps[i] <= 1000000)
            cr_expect_geq(count, 9980, "%u", count);
        throttle_done(&throttle);
    }
}

Test(throttle, bits_keep_to_theirs)
{
    struct throttle throttle;
    cr_assert_eq(throttle_init(&throttle, 1e9, 8e6, 4), 0);
    uint32_t count = passed(&throttle, 0, 1000, 1000);
    cr_expect_leq(count, 1000 + 2);
    cr_expect_geq(count, 998);
    throttle_done(&throttle);
}

Test(throttle, silence_is_not_made_up_for)
{
    struct throttle throttle;
    cr_assert_eq(throttle_init(&throttle, 1000, 1e12, 4), 0);
    passed(&throttle, 0, 1000000, 1);
    uint32_t count = passed(&throttle, 60000000000, 1000000, 1);
    cr_expect_leq(count, 1002, "%u", count);
    throttle_done(&throttle);
}

Test(throttle, who_waits_first_goes_first)
{
    struct throttle throttle;
    cr_assert_eq(throttle_init(&throttle, 1000, 1e12, 3), 0);
    for (uint32_t round = 0; round < 5; round++) {
        throttle_hold(&throttle, 2);
        throttle_hold(&throttle, 0);
        throttle_hold(&throttle, 1);
        cr_expect_eq(throttle.waiting, 3);
        cr_expect_eq(throttle_take(&throttle), 2);
        cr_expect_eq(throttle_take(&throttle), 0);
        throttle_hold(&throttle, 2);
        cr_expect_eq(throttle_take(&throttle), 1);
        cr_expect_eq(throttle_take(&throttle), 2);
        cr_expect_eq(throttle.waiting, 0);
    }
    cr_expect_eq(throttle.held_back, 20);
    throttle_done(&throttle);
}

Test(throttle, the_next_moment_is_one_when_it_allows)
{
    struct throttle throttle;
    cr_assert_eq(throttle_init(&throttle, 300, 1e12, 3), 0);
    uint64_t now = 1000000000;
    for (int i = 0; i < 100; i++) {
        while (throttle_allows(&throttle, now))
            throttle_charge(&throttle, now, 1);
        cr_assert_gt(throttle_next_ns(&throttle), now);
        now = throttle_next_ns(&throttle);
        cr_assert(throttle_allows(&throttle, now));
    }
    throttle_done(&throttle);
}
