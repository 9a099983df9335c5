#include "loadgen/arrival.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>

static struct arrival arrival;

Test(arrival, words_are_three)
{
    enum arrival_kind kind;
    uint32_t burst;
    cr_expect_eq(arrival_parse("poisson", &kind, &burst), 0);
    cr_expect_eq(kind, ARRIVAL_POISSON);
    cr_expect_eq(arrival_parse("burst:32", &kind, &burst), 0);
    cr_expect_eq(kind, ARRIVAL_BURST);
    cr_expect_eq(burst, 32);
    static const char *const bad[] = {"",         "Poisson",     "burst",
                                      "burst:",   "burst:1",     "burst:x",
                                      "burst:2x", "burst:99999", NULL};
    for (const char *const *at = bad; *at; at++)
        cr_expect_eq(arrival_parse(*at, &kind, &burst), -EINVAL, "%s", *at);
}

Test(arrival, constant_flows_together_are_even)
{
    arrival_init(&arrival, ARRIVAL_CONSTANT, 1, 1000, 4, 1);
    for (uint32_t flow = 0; flow < 4; flow++) {
        struct arrival_place place = arrival_first(&arrival, flow);
        for (int i = 0; i < 100; i++) {
            double want = 1e6 * (4 * i + (int)flow);
            cr_assert_float_eq(place.due_ns, want, 1e-3);
            arrival_next(&arrival, flow, &place);
        }
    }
}

Test(arrival, a_burst_is_due_at_once_and_keeps_the_rate)
{
    arrival_init(&arrival, ARRIVAL_BURST, 10, 1000, 1, 1);
    struct arrival_place place = arrival_first(&arrival, 0);
    for (int i = 0; i < 1000; i++) {
        cr_assert_float_eq(place.due_ns, 1e7 * (i / 10), 1e-3);
        arrival_next(&arrival, 0, &place);
    }
}

Test(arrival, poisson_gaps_pass_the_test_as_often_as_they_should)
{
    unsigned failed = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        double distance;
        double critical;
        arrival_init(&arrival, ARRIVAL_POISSON, 1, 50000, 64, seed);
        cr_assert(arrival_test(&arrival, 5000, &distance, &critical));
        failed += distance >= critical;
    }
    cr_expect_leq(failed, 8, "%u of 200 at 1 %%", failed);
}

Test(arrival, poisson_keeps_its_rate)
{
    arrival_init(&arrival, ARRIVAL_POISSON, 1, 50000, 64, 1);
    struct arrival_place place = arrival_first(&arrival, 3);
    while (place.index < 10000)
        arrival_next(&arrival, 3, &place);
    double mean = place.due_ns / 10001;
    cr_expect_lt(fabs(mean / arrival.gap_ns - 1), 0.05);
}

Test(arrival, gaps_that_are_not_exponential_fail_the_test)
{
    enum {
        COUNT = 5000
    };
    static double gaps[COUNT];
    for (int i = 0; i < COUNT; i++)
        gaps[i] = 2.0 * i / COUNT; /* uniform, mean 1 */
    cr_expect_gt(arrival_distance(gaps, COUNT, 1), 0.1);
    for (int i = 0; i < COUNT; i++)
        gaps[i] = -log((i + 0.5) / COUNT); /* exponential, mean 1 */
    cr_expect_lt(arrival_distance(gaps, COUNT, 1), 0.001);
    cr_expect_gt(arrival_distance(gaps, COUNT, 1.2), 0.05);
}

Test(arrival, a_flows_schedule_does_not_depend_on_the_others)
{
    struct arrival few;
    arrival_init(&arrival, ARRIVAL_POISSON, 1, 1000, 10, 7);
    arrival_init(&few, ARRIVAL_POISSON, 1, 100, 1, 7);
    struct arrival_place a = arrival_first(&arrival, 0);
    struct arrival_place b = arrival_first(&few, 0);
    for (int i = 0; i < 100; i++) {
        cr_assert_float_eq(a.due_ns, b.due_ns, 1e-6);
        arrival_next(&arrival, 0, &a);
        arrival_next(&few, 0, &b);
    }
}
