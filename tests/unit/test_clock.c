#include "loadgen/measure/clock.h"

#include <criterion/criterion.h>

#define WITHIN_NS 1000

/* Reads the view between two looks at CLOCK_MONOTONIC; how far it is outside
 * them is its error, whatever interrupts the three. */
static uint64_t error_of(struct clock_view *view, uint64_t *ret_ns)
{
    const uint64_t before = clock_now_ns();
    const uint64_t seen = clock_view_ns(view);
    const uint64_t after = clock_now_ns();
    *ret_ns = seen;
    if (seen < before)
        return before - seen;
    return seen > after ? seen - after : 0;
}

static uint64_t worst_over(struct clock_view *view, uint64_t length_ns)
{
    const uint64_t until = clock_now_ns() + length_ns;
    uint64_t worst = 0;
    uint64_t earlier = 0;
    uint64_t seen = 0;
    while (seen < until) {
        const uint64_t error = error_of(view, &seen);
        worst = error > worst ? error : worst;
        cr_assert_geq(seen, earlier, "time went back");
        earlier = seen;
    }
    return worst;
}

Test(clock, view_agrees_with_clock_monotonic_and_never_goes_back)
{
    struct clock_view view;
    clock_view_open(&view);
    const uint64_t worst = worst_over(&view, 600 * NS_PER_MS);
    cr_log_info("%s: at worst %llu ns away", clock_view_source(&view),
                (unsigned long long)worst);
    cr_expect_leq(worst, WITHIN_NS);
}

Test(clock, view_agrees_after_a_silence)
{
    struct clock_view view;
    clock_view_open(&view);
    (void)worst_over(&view, 20 * NS_PER_MS);
    const struct timespec silence = {.tv_nsec = 120 * (long)NS_PER_MS};
    nanosleep(&silence, NULL);
    cr_expect_leq(worst_over(&view, 20 * NS_PER_MS), WITHIN_NS);
}

Test(clock, view_without_ticks_asks_the_kernel)
{
    struct clock_view view;
    clock_view_open(&view);
    view.trusts_ticks = false;
    cr_expect_str_eq(clock_view_source(&view), "clock_gettime");
    cr_expect_eq(worst_over(&view, 2 * NS_PER_MS), 0);
}

Test(clock, view_whose_ticks_run_fast_stops_counting_them_and_does_not_go_back)
{
    struct clock_view view;
    clock_view_open(&view);
    (void)worst_over(&view, 20 * NS_PER_MS);
    if (!view.trusts_ticks)
        return; /* here it never counts */
    uint64_t earlier = 0;
    /* A silence of this thread just before a look hides the fault from it, and
     * the rate is mended: then once more. */
    for (int tries = 0; tries < 100 && view.trusts_ticks; tries++) {
        const uint64_t fast = view.rate = view.rate + view.rate / 100;
        while (view.trusts_ticks && view.rate == fast) {
            const uint64_t seen = clock_view_ns(&view);
            cr_assert_geq(seen, earlier, "time went back");
            earlier = seen;
        }
    }
    cr_expect_not(view.trusts_ticks);
    cr_expect_geq(clock_view_ns(&view), earlier);
}
