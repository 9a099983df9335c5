#include "loadgen/measure/random.h"
#include "loadgen/sequence.h"

#include <criterion/criterion.h>

static struct sequence sequence;

static void arrive(const int *numbers, int count)
{
    for (int i = 0; i < count; i++)
        sequence_received(&sequence, (uint64_t)numbers[i], false);
}

#define ARRIVE(...)                                                            \
    arrive((int[]){__VA_ARGS__}, sizeof(int[]){__VA_ARGS__} / sizeof(int))

Test(sequence, one_overtaken_number_is_one_reordering)
{
    ARRIVE(0, 1, 3, 4, 2, 5, 6, 7, 8, 9);
    cr_expect_eq(sequence.unique, 10);
    cr_expect_eq(sequence.reordered, 1);
    cr_expect_eq(sequence_lost(&sequence, 10), 0);
}

Test(sequence, one_early_number_makes_those_after_it_reordered)
{
    ARRIVE(0, 1, 2, 3, 7, 4, 5, 6, 8, 9);
    cr_expect_eq(sequence.reordered, 3);
    cr_expect_eq(sequence.duplicate, 0);
}

Test(sequence, equal_loss_and_duplication_do_not_cancel)
{
    ARRIVE(0, 1, 1, 3, 3, 5, 5, 7, 7, 9);
    cr_expect_eq(sequence.unique, 6);
    cr_expect_eq(sequence.duplicate, 4);
    cr_expect_eq(sequence.reordered, 0);
    cr_expect_eq(sequence_lost(&sequence, 10), 4);
}

Test(sequence, a_duplicate_of_a_reordered_one_is_a_duplicate)
{
    ARRIVE(0, 2, 1, 1, 2);
    cr_expect_eq(sequence.reordered, 1);
    cr_expect_eq(sequence.duplicate, 2);
}

Test(sequence, head_tail_and_everything_may_be_lost)
{
    cr_expect_eq(sequence_lost(&sequence, 10), 10);
    ARRIVE(5, 6);
    cr_expect_eq(sequence_lost(&sequence, 10), 8);
}

Test(sequence, what_is_older_than_the_window_is_ancient)
{
    sequence_received(&sequence, 0, false);
    sequence_received(&sequence, SEQUENCE_WINDOW, false);
    sequence_received(&sequence, 0, false);
    cr_expect_eq(sequence.ancient, 1);
    sequence_received(&sequence, 1, true);
    cr_expect_eq(sequence.unique, 3);
    cr_expect_eq(sequence.late, 1);
    sequence_received(&sequence, 10 * SEQUENCE_WINDOW, false);
    sequence_received(&sequence, 10 * SEQUENCE_WINDOW - 1, false);
    cr_expect_eq(sequence.unique, 5);
    cr_expect_eq(sequence.duplicate, 0);
}

Test(sequence, agrees_with_a_slow_reference_on_random_arrivals)
{
    enum {
        SENT = 400
    };
    for (uint64_t round = 0; round < 200; round++) {
        struct sequence fast = {0};
        unsigned copies[SENT] = {0};
        uint64_t unique = 0;
        uint64_t duplicate = 0;
        uint64_t reordered = 0;
        uint64_t highest = 0;
        for (uint64_t i = 0; i < SENT; i++) {
            uint64_t number =
                (i + random_below(round, i, 1 + round % 40)) % SENT;
            sequence_received(&fast, number, false);
            if (copies[number]++ > 0) {
                duplicate++;
            } else {
                unique++;
                reordered += number < highest;
                if (number >= highest)
                    highest = number + 1;
            }
        }
        cr_assert_eq(fast.unique, unique, "round %lu", (unsigned long)round);
        cr_assert_eq(fast.duplicate, duplicate);
        cr_assert_eq(fast.reordered, reordered, "round %lu: %lu, not %lu",
                     (unsigned long)round, (unsigned long)fast.reordered,
                     (unsigned long)reordered);
    }
}
