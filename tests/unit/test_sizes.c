#include "loadgen/sizes.h"

#include <criterion/criterion.h>
#include <math.h>

static struct sizes parsed(const char *text)
{
    struct sizes sizes;
    cr_assert_eq(sizes_parse(text, &sizes), 0, "%s", text);
    return sizes;
}

Test(sizes, one_size_is_itself)
{
    struct sizes sizes = parsed("16k");
    cr_expect_eq(sizes.kind, SIZES_FIXED);
    for (uint64_t n = 0; n < 100; n++)
        cr_expect_eq(sizes_of(&sizes, n % 2, 3, n), 16384);
    cr_expect_eq(sizes_mean(&sizes), 16384);
    cr_expect_eq(parsed("0").most_bytes, 0);
}

Test(sizes, other_words_are_refused)
{
    static const char *const bad[] = {
        "",          "x",         "-1",          "16777216",    "uniform:",
        "uniform:1", "uniform:,", "uniform:9,8", "uniform:1,x", "exp:",
        "exp:0",     "exp:-3",    "exp:5,6",     "poisson:5",   "64q",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct sizes sizes;
        cr_expect_lt(sizes_parse(bad[i], &sizes), 0, "%s", bad[i]);
    }
}

/* The mean of so many draws, none outside the limits. */
static double mean_of_draws(const struct sizes *sizes, uint32_t draws,
                            double *ret_deviation)
{
    double sum = 0;
    double squares = 0;
    for (uint32_t i = 0; i < draws; i++) {
        uint32_t bytes = sizes_of(sizes, false, i % 7, i / 7);
        cr_assert_geq(bytes, sizes->least_bytes);
        cr_assert_leq(bytes, sizes->most_bytes);
        sum += bytes;
        squares += (double)bytes * bytes;
    }
    double mean = sum / draws;
    *ret_deviation = sqrt(squares / draws - mean * mean) / sqrt(draws);
    return mean;
}

Test(sizes, the_mean_is_what_it_is_said_to_be)
{
    static const char *const texts[] = {
        "uniform:64,1400", "uniform:0,1", "uniform:5,5", "exp:1",
        "exp:20",          "exp:200",     "exp:50000"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int cut = 0; cut < 2; cut++) {
            struct sizes sizes = parsed(texts[i]);
            sizes.seed = 5;
            if (cut)
                sizes_limit(&sizes, 20, 65507);
            double deviation;
            double mean = mean_of_draws(&sizes, 200000, &deviation);
            cr_expect_leq(fabs(mean - sizes_mean(&sizes)),
                          4.5 * deviation + 1e-9, "%s: %f, said %f", texts[i],
                          mean, sizes_mean(&sizes));
        }
    }
}

Test(sizes, every_size_of_a_uniform_occurs_alike)
{
    struct sizes sizes = parsed("uniform:10,19");
    uint32_t seen[10] = {0};
    for (uint32_t i = 0; i < 100000; i++)
        seen[sizes_of(&sizes, false, 0, i) - 10]++;
    for (int i = 0; i < 10; i++)
        cr_expect_lt(fabs(seen[i] - 10000.0), 500, "%d: %u", i, seen[i]);
}

Test(sizes, an_exponential_keeps_to_its_distribution)
{
    struct sizes sizes = parsed("exp:1000");
    uint32_t above = 0;
    for (uint32_t i = 0; i < 100000; i++)
        above += sizes_of(&sizes, false, 1, i) > 1000;
    cr_expect_lt(fabs(above / 100000.0 - exp(-1)), 0.008, "%u", above);
    cr_expect_eq(sizes.most_bytes, 16000);
    cr_expect_eq(parsed("exp:10M").most_bytes, SIZES_BYTES_MAX);
}

Test(sizes, seed_flow_number_and_warm_up_decide_and_nothing_else)
{
    struct sizes a = parsed("uniform:0,1000000");
    struct sizes b = a;
    uint32_t same = 0;
    for (uint64_t n = 0; n < 1000; n++) {
        uint32_t bytes = sizes_of(&a, false, 3, n);
        cr_expect_eq(sizes_of(&a, false, 3, n), bytes);
        b.seed = 1;
        same += sizes_of(&b, false, 3, n) == bytes;
        same += sizes_of(&a, false, 4, n) == bytes;
        same += sizes_of(&a, true, 3, n) == bytes;
    }
    cr_expect_lt(same, 5);
}
