#include "loadgen/measure/random.h"
#include "loadgen/sequence/sequence.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define T 1000u /* the timeout, in ns of these tests */

static struct sequence_sums sums;
static struct sequence flow;
static uint64_t now;

static void begin(uint64_t window, uint32_t gaps)
{
    memset(&sums, 0, sizeof sums);
    now = 0;
    cr_assert_eq(sequence_open(&flow, window, gaps, T), 0);
}

static void arrive(const int *numbers, int count)
{
    for (int i = 0; i < count; i++)
        sequence_arrived(&flow, &sums, (uint64_t)numbers[i], 10, ++now);
}

#define ARRIVE(...)                                                            \
    arrive((int[]){__VA_ARGS__}, sizeof(int[]){__VA_ARGS__} / sizeof(int))

static void end(uint64_t sent)
{
    sequence_end(&flow, &sums, sent);
    sequence_close(&flow);
}

/* How often a length was counted. */
static uint64_t of_length(const struct lengths *lengths, unsigned length)
{
    return lengths->buckets[length];
}

/* ------------------------------------------------ the worked examples --- */

Test(sequence, one_overtaken_number_is_one_reordering)
{
    begin(64, 8);
    ARRIVE(0, 1, 3, 4, 2, 5, 6, 7, 8, 9);
    end(10);
    cr_expect_eq(flow.unique, 10);
    cr_expect_eq(flow.reordered, 1);
    cr_expect_eq(flow.extent_max, 2);
    cr_expect_eq(flow.n_reordering_max, 2);
    cr_expect_eq(sums.late_offset.max, 2);
    cr_expect_eq(sums.losses.runs.count, 0);
    cr_expect_eq(sequence_lost(&flow, 10), 0);
}

Test(sequence, one_early_number_makes_those_after_it_reordered)
{
    begin(64, 8);
    ARRIVE(0, 1, 2, 3, 7, 4, 5, 6, 8, 9);
    end(10);
    cr_expect_eq(flow.reordered, 3);
    cr_expect_eq(flow.duplicate, 0);
    for (unsigned extent = 1; extent <= 3; extent++)
        cr_expect_eq(of_length(&sums.extents, extent), 1);
    cr_expect_eq(of_length(&sums.n_reordering, 1), 1);
    cr_expect_eq(of_length(&sums.n_reordering, 0), 2);
    cr_expect_eq(flow.discontinuities, 1);
    cr_expect_eq(flow.passed_over, 3);
    cr_expect_eq(flow.held_back_max, 1);
}

Test(sequence, equal_loss_and_duplication_do_not_cancel)
{
    begin(64, 8);
    ARRIVE(0, 1, 1, 3, 3, 5, 5, 7, 7, 9);
    end(10);
    cr_expect_eq(flow.unique, 6);
    cr_expect_eq(flow.duplicate, 4);
    cr_expect_eq(flow.reordered, 0);
    cr_expect_eq(sequence_lost(&flow, 10), 4);
    cr_expect_eq(of_length(&sums.losses.runs, 1), 4);
    cr_expect_eq(of_length(&sums.losses.distances, 2), 3);
    cr_expect_eq(of_length(&sums.copies, 1), 2);
    cr_expect_eq(of_length(&sums.copies, 2), 4);
}

Test(sequence, losses_come_in_runs)
{
    begin(64, 8);
    ARRIVE(0, 1, 6, 7, 9);
    end(10);
    cr_expect_eq(flow.reordered, 0);
    cr_expect_eq(flow.losses.lost, 5);
    cr_expect_eq(flow.losses.longest_run, 4);
    cr_expect_eq(sums.losses.runs.count, 2);
    cr_expect_eq(of_length(&sums.losses.runs, 4), 1);
    cr_expect_eq(of_length(&sums.losses.runs, 1), 1);
    cr_expect_eq(of_length(&sums.losses.distances, 1), 3);
    cr_expect_eq(of_length(&sums.losses.distances, 3), 1);
}

/* ---------------------------------------------------------------- edges --- */

Test(sequence, a_flow_that_sent_nothing_says_nothing)
{
    begin(64, 8);
    end(0);
    cr_expect_eq(sums.sent, 0);
    cr_expect_eq(sums.losses.runs.count, 0);
    cr_expect_eq(sums.free_runs.count, 0);
    cr_expect_eq(sums.jitter_flows, 0);
}

Test(sequence, of_one_number_all_or_nothing_arrives)
{
    begin(64, 8);
    end(1);
    cr_expect_eq(sequence_lost(&flow, 1), 1);
    cr_expect_eq(of_length(&sums.losses.runs, 1), 1);
    begin(64, 8);
    ARRIVE(0, 0);
    end(1);
    cr_expect_eq(sequence_lost(&flow, 1), 0);
    cr_expect_eq(of_length(&sums.copies, 2), 1);
    cr_expect_eq(sums.losses.runs.count, 0);
}

Test(sequence, head_tail_and_everything_may_be_lost)
{
    begin(64, 8);
    end(1000); /* more than the window holds */
    cr_expect_eq(flow.losses.lost, 1000);
    cr_expect_eq(sums.losses.runs.count, 1);
    cr_expect_eq(sums.losses.runs.max, 1000);
    cr_expect_eq(of_length(&sums.losses.distances, 1), 999);
    begin(64, 8);
    ARRIVE(5, 6);
    end(10);
    cr_expect_eq(sequence_lost(&flow, 10), 8);
    cr_expect_eq(of_length(&sums.losses.runs, 5), 1);
    cr_expect_eq(of_length(&sums.losses.runs, 3), 1);
}

Test(sequence, a_duplicate_of_a_reordered_one_is_a_duplicate)
{
    begin(64, 8);
    ARRIVE(0, 2, 1, 1, 2);
    end(3);
    cr_expect_eq(flow.reordered, 1);
    cr_expect_eq(flow.duplicate, 2);
}

Test(sequence, late_is_later_than_the_timeout)
{
    begin(64, 8);
    cr_expect(sequence_arrived(&flow, &sums, 0, T, T));
    cr_expect(sequence_arrived(&flow, &sums, 1, T + 1, T + 1));
    end(3);
    cr_expect_eq(flow.late, 1);
    cr_expect_eq(sequence_lost(&flow, 3), 1);
    /* Late ones are missing where they are due: a run of two. */
    cr_expect_eq(of_length(&sums.losses.runs, 2), 1);
}

Test(sequence, a_second_copy_of_a_late_number_is_a_duplicate)
{
    begin(64, 8);
    cr_expect(sequence_arrived(&flow, &sums, 0, 2 * T, 2 * T));
    cr_expect_not(sequence_arrived(&flow, &sums, 0, 3 * T, 3 * T));
    cr_expect_eq(flow.late, 1);
    cr_expect_eq(flow.duplicate, 1);
    end(1);
    cr_expect_eq(flow.losses.lost, 1);
}

Test(sequence, a_late_copy_of_a_number_that_was_on_time_is_a_duplicate)
{
    begin(64, 8);
    ARRIVE(0);
    cr_expect_not(sequence_arrived(&flow, &sums, 0, 5 * T, 5 * T));
    end(1);
    cr_expect_eq(flow.late, 0);
    cr_expect_eq(flow.duplicate, 1);
    cr_expect_eq(flow.losses.lost, 0);
}

Test(sequence, what_the_ring_holds_no_more_is_ancient)
{
    begin(64, 8);
    ARRIVE(0, 64);
    cr_expect_not(sequence_arrived(&flow, &sums, 0, T, ++now));
    cr_expect_eq(flow.ancient, 1);
    cr_expect(sequence_arrived(&flow, &sums, 1, 2 * T, 2 * T));
    cr_expect_eq(flow.late, 1);
    cr_expect(sequence_arrived(&flow, &sums, 640, 10, 3 * T));
    cr_expect(sequence_arrived(&flow, &sums, 577, 10, 3 * T));
    cr_expect_not(sequence_arrived(&flow, &sums, 576, 10, 3 * T));
    end(641);
    cr_expect_eq(flow.unique, 5);
    cr_expect_eq(flow.ancient, 2);
    cr_expect_eq(flow.duplicate, 0);
    cr_expect_eq(flow.losses.lost, 641 - 4);
    cr_expect_eq(sums.copies.count, 5);
}

Test(sequence, an_extent_beyond_what_is_remembered_is_at_least_so_wide)
{
    begin(64, 2);
    ARRIVE(0, 2, 4, 6, 8); /* gaps at 1, 3, 5, 7: two are remembered */
    ARRIVE(1);
    cr_expect_eq(sums.extents_beyond, 1);
    cr_expect_eq(flow.reordered, 1);
    cr_expect_eq(flow.extent_max, 2); /* since the gap at 5: it was 4 */
    ARRIVE(5);
    cr_expect_eq(sums.extents_beyond, 1);
    cr_expect_eq(flow.extent_max, 3);
    end(9);
    cr_expect_eq(sums.extents.count, 2);
    cr_expect_geq(sums.gaps_forgotten, 1);
    cr_expect_eq(sequence_lost(&flow, 9), 2);
}

Test(sequence, numbers_may_be_large)
{
    static const uint64_t bases[] = {(1ULL << 31) - 5, (1ULL << 32) - 5,
                                     (1ULL << 48) - 5};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        const uint64_t base = bases[i];
        begin(64, 8);
        sequence_arrived(&flow, &sums, base, 10, 1);
        sequence_arrived(&flow, &sums, base + 6, 10, 2); /* across */
        sequence_arrived(&flow, &sums, base + 4, 10, 3);
        sequence_arrived(&flow, &sums, base + 6, 10, 4);
        sequence_arrived(&flow, &sums, base + 5, 10, 5);
        cr_expect_eq(flow.held_back_max, 4);
        end(base + 8);
        cr_expect_eq(flow.unique, 4);
        cr_expect_eq(flow.duplicate, 1);
        cr_expect_eq(flow.reordered, 2);
        cr_expect_eq(flow.extent_max, 2);
        cr_expect_eq(flow.losses.lost, base + 4);
        cr_expect_eq(flow.losses.runs, 3);
        cr_expect_eq(flow.losses.longest_run, base);
    }
}

Test(sequence, a_burst_holds_no_sixteen_received_in_a_row)
{
    for (int received = 15; received <= 16; received++) {
        begin(64, 8);
        uint64_t number = 20;
        sequence_arrived(&flow, &sums, 19, 10, ++now); /* 0 to 18 lost */
        for (int i = 1; i < received; i++)
            sequence_arrived(&flow, &sums, number++, 10, ++now);
        end(number + 1); /* and the last one */
        bool one = received == 15;
        cr_expect_eq(sums.losses.bursts.count, 1);
        cr_expect_eq(sums.losses.bursts.max, one ? 19 + 15 + 1 : 19);
        cr_expect_eq(sums.losses.burst_lost, one ? 20 : 19);
        cr_expect_eq(sums.losses.alone, one ? 0 : 1);
    }
}

Test(sequence, more_than_seven_copies_are_counted_as_seven_or_more)
{
    begin(64, 8);
    for (int i = 0; i < 12; i++)
        ARRIVE(0);
    end(1);
    cr_expect_eq(flow.duplicate, 11);
    cr_expect_eq(of_length(&sums.copies, SEQUENCE_COPIES), 1);
}

Test(sequence, n_reordering_is_looked_at_32_arrivals_back)
{
    begin(64, 8);
    for (int i = 1; i <= 40; i++)
        ARRIVE(i);
    ARRIVE(0);
    end(41);
    cr_expect_eq(flow.extent_max, 40);
    cr_expect_eq(flow.n_reordering_max, SEQUENCE_RECENT);
}

Test(sequence, a_receiver_in_order_waits_no_longer_than_the_timeout)
{
    begin(64, 8);
    sequence_arrived(&flow, &sums, 1, 10, 0);
    sequence_arrived(&flow, &sums, 2, 10, T); /* 0 is still waited for */
    cr_expect_eq(flow.held_back_max, 2);
    for (uint64_t n = 3; n < 20; n++)
        sequence_arrived(&flow, &sums, n, 10, T + 1);
    cr_expect_eq(flow.held_back_max, 2);
    end(20);
}

Test(sequence, ten_thousand_flows_take_sixteen_megabytes_at_most)
{
    struct sequences sequences;
    cr_assert_eq(sequences_init(&sequences, 10000, 10000, T), 0);
    uint64_t bytes = sizeof sequences.flows[0] + sequences.flows[0].window / 2 +
                     sequences.flows[0].gaps.capacity * sizeof(struct gap);
    cr_expect_leq(10000 * bytes + sizeof sums, 16 << 20, "%lu bytes a flow",
                  (unsigned long)bytes);
    cr_expect_geq(sequences.flows[0].window, 512);
    sequences_done(&sequences);
}

/* --------------------------------------------------------- by comparison ---
 */

enum {
    NUMBERS_MAX = 96,
    COPIES_MAX = 10,
    ROUNDS = 10000,
    BATCH = 100
};

struct copy {
    uint64_t number;
    uint64_t at_ns;
    uint64_t delay_ns;
    uint64_t order; /* that of equals */
};

struct history {
    uint64_t sent;
    size_t count;
    struct copy copies[NUMBERS_MAX * COPIES_MAX];
};

static int by_time(const void *a, const void *b)
{
    const struct copy *x = a;
    const struct copy *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static struct dice {
    uint64_t round;
    uint64_t drawn;
} dice;

static uint64_t draw_below(uint64_t bound)
{
    return random_below(dice.round, dice.drawn++, bound);
}

/* Loss, duplication, delay and reordering in a mixture drawn for the round. */
static void draw(struct history *history, uint64_t round)
{
    static const uint64_t spreads[] = {1, 40, 400, 4000};
    dice = (struct dice){.round = round};
    history->sent = draw_below(NUMBERS_MAX + 1);
    history->count = 0;
    uint64_t loss = draw_below(2) ? draw_below(60) : 0;
    uint64_t again = draw_below(2) ? draw_below(60) : 0;
    uint64_t spread = spreads[draw_below(4)];
    uint64_t pace = 1 + draw_below(60);
    uint64_t sent_ns = 0;
    for (uint64_t n = 0; n < history->sent; n++) {
        sent_ns += draw_below(pace);
        unsigned copies = draw_below(100) >= loss;
        while (copies > 0 && copies < COPIES_MAX && draw_below(100) < again)
            copies++;
        for (unsigned i = 0; i < copies; i++) {
            uint64_t delay_ns = 100 + draw_below(spread);
            history->copies[history->count] =
                (struct copy){n, sent_ns + delay_ns, delay_ns, history->count};
            history->count++;
        }
    }
    qsort(history->copies, history->count, sizeof *history->copies, by_time);
}

/* What the reference keeps of a history: everything. */
struct reference {
    const struct history *history;
    size_t count; /* of first copies, in the order in which they came */
    struct copy first[NUMBERS_MAX];
    unsigned copies[NUMBERS_MAX];
    bool came[NUMBERS_MAX];
    bool on_time[NUMBERS_MAX];
    uint64_t delay_ns[NUMBERS_MAX];
    struct sequence flow; /* its results */
};

static void count_copies(struct reference *r, struct sequence_sums *into)
{
    for (size_t i = 0; i < r->history->count; i++) {
        const struct copy *copy = &r->history->copies[i];
        if (r->copies[copy->number]++ > 0) {
            r->flow.duplicate++;
            continue;
        }
        r->first[r->count++] = *copy;
        r->came[copy->number] = true;
        r->on_time[copy->number] = copy->delay_ns <= T;
        r->delay_ns[copy->number] = copy->delay_ns;
        r->flow.unique++;
        r->flow.late += copy->delay_ns > T;
        for (int k = 0; k < SEQUENCE_WITHIN; k++)
            into->within[k] += copy->delay_ns <= sequence_within_ns[k];
    }
    for (uint64_t n = 0; n < r->history->sent; n++) {
        unsigned copies = r->copies[n];
        if (copies > 0)
            lengths_record(&into->copies,
                           copies < SEQUENCE_COPIES ? copies : SEQUENCE_COPIES,
                           1);
    }
}

/* The first arrival before i with a greater number; i: there is none. */
static size_t overtaker(const struct reference *r, uint64_t number, size_t i)
{
    size_t j = 0;
    while (j < i && r->first[j].number <= number)
        j++;
    return j;
}

static void count_order(struct reference *r, struct sequence_sums *into)
{
    uint64_t next = 0;
    uint64_t run = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct copy *copy = &r->first[i];
        size_t j = overtaker(r, copy->number, i);
        if (j == i) {
            r->flow.discontinuities += copy->number > next;
            r->flow.passed_over += copy->number - next;
            next = copy->number + 1;
            run++;
            continue;
        }
        size_t n = 0;
        while (n < i && r->first[i - 1 - n].number > copy->number)
            n++;
        n = n < SEQUENCE_RECENT ? n : SEQUENCE_RECENT;
        r->flow.reordered++;
        r->flow.extent_sum += i - j;
        if (i - j > r->flow.extent_max)
            r->flow.extent_max = i - j;
        if (n > r->flow.n_reordering_max)
            r->flow.n_reordering_max = n;
        lengths_record(&into->extents, i - j, 1);
        lengths_record(&into->n_reordering, n, 1);
        lengths_record(&into->free_runs, run, 1);
        hist_record(&into->late_offset, copy->at_ns - r->first[j].at_ns);
        run = 0;
    }
    lengths_record(&into->free_runs, run, r->count > 0);
}

/* Which arrivals wait in a buffer that releases in order, after arrival i. */
static uint64_t held_back(const struct reference *r, size_t i)
{
    bool here[NUMBERS_MAX] = {false};
    for (size_t k = 0; k <= i; k++)
        here[r->first[k].number] = true;
    for (uint64_t n = 0; n < r->history->sent; n++) {
        size_t j = overtaker(r, n, i + 1);
        if (here[n] || j > i || r->first[j].at_ns + T < r->first[i].at_ns)
            continue;
        uint64_t count = 0; /* n is the least that is waited for */
        for (uint64_t k = n + 1; k < r->history->sent; k++)
            count += here[k];
        return count;
    }
    return 0;
}

static void count_delays(struct reference *r, struct sequence_sums *into)
{
    for (size_t i = 1; i < r->count; i++) {
        double d = fabs((double)r->first[i].delay_ns -
                        (double)r->first[i - 1].delay_ns);
        r->flow.jitter_ns += (d - r->flow.jitter_ns) / 16;
    }
    for (uint64_t n = 1; n < r->history->sent; n++) {
        uint64_t before = r->delay_ns[n - 1];
        uint64_t delay = r->delay_ns[n];
        if (!r->came[n - 1] || !r->came[n])
            continue;
        if (delay >= before)
            hist_record(&into->rising, delay - before);
        else
            hist_record(&into->falling, before - delay);
    }
    for (size_t i = 0; i < r->count; i++) {
        uint64_t held = held_back(r, i);
        if (held > r->flow.held_back_max)
            r->flow.held_back_max = held;
    }
}

static void count_bursts(struct reference *r, struct loss_patterns *into,
                         const uint64_t *lost, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t k = i;
        while (k + 1 < count && lost[k + 1] - lost[k] - 1 < LOSSES_GMIN)
            k++;
        if (k == i) {
            into->alone++;
        } else {
            into->burst_lost += k - i + 1;
            lengths_record(&into->bursts, lost[k] - lost[i] + 1, 1);
            r->flow.losses.bursts++;
        }
        i = k + 1;
    }
}

static void count_losses(struct reference *r, struct loss_patterns *into)
{
    uint64_t lost[NUMBERS_MAX];
    size_t count = 0;
    for (uint64_t n = 0; n < r->history->sent; n++) {
        if (!r->on_time[n])
            lost[count++] = n;
    }
    r->flow.losses.lost = count;
    for (size_t i = 1; i < count; i++)
        lengths_record(&into->distances, lost[i] - lost[i - 1], 1);
    for (size_t i = 0; i < count;) {
        size_t k = i;
        while (k + 1 < count && lost[k + 1] == lost[k] + 1)
            k++;
        uint64_t run = k - i + 1;
        lengths_record(&into->runs, run, 1);
        r->flow.losses.runs++;
        if (run > r->flow.losses.longest_run)
            r->flow.losses.longest_run = run;
        i = k + 1;
    }
    count_bursts(r, into, lost, count);
}

static void refer(struct reference *r, const struct history *history,
                  struct sequence_sums *into)
{
    *r = (struct reference){.history = history};
    count_copies(r, into);
    count_order(r, into);
    count_delays(r, into);
    count_losses(r, &into->losses);
}

static void compare_flows(const struct sequence *a, const struct sequence *b,
                          uint64_t round)
{
#define SAME(member)                                                           \
    cr_assert_eq(a->member, b->member, "round %lu: " #member " %lu, not %lu",  \
                 (unsigned long)round, (unsigned long)a->member,               \
                 (unsigned long)b->member)
    SAME(unique);
    SAME(late);
    SAME(duplicate);
    SAME(reordered);
    SAME(discontinuities);
    SAME(passed_over);
    SAME(extent_sum);
    SAME(extent_max);
    SAME(n_reordering_max);
    SAME(held_back_max);
    SAME(losses.lost);
    SAME(losses.runs);
    SAME(losses.longest_run);
    SAME(losses.bursts);
#undef SAME
    cr_assert_eq(a->ancient, 0);
    cr_assert_float_eq(a->jitter_ns, b->jitter_ns, 1e-6, "round %lu",
                       (unsigned long)round);
}

static void compare_sums(const struct sequence_sums *a,
                         const struct sequence_sums *b, uint64_t round)
{
#define SAME(member)                                                           \
    cr_assert_arr_eq(&a->member, &b->member, sizeof a->member,                 \
                     "round %lu: " #member, (unsigned long)round)
    SAME(losses);
    SAME(copies);
    SAME(extents);
    SAME(n_reordering);
    SAME(free_runs);
    SAME(within);
    SAME(late_offset.counts);
    SAME(rising.counts);
    SAME(rising.max);
    SAME(falling.counts);
    SAME(falling.max);
#undef SAME
    cr_assert_eq(a->extents_beyond, 0);
    cr_assert_eq(a->gaps_forgotten, 0);
    cr_assert_eq(a->extents.count, a->reordered);
    cr_assert_eq(a->losses.runs.sum, a->sent - a->unique + a->late);
    cr_assert_eq(a->free_runs.sum, a->unique - a->reordered);
}

Test(sequence, agrees_with_a_slow_reference_on_ten_thousand_random_histories)
{
    static struct sequence_sums expected;
    static struct history history;
    static struct reference reference;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        if (round % BATCH == 0) {
            memset(&sums, 0, sizeof sums);
            memset(&expected, 0, sizeof expected);
        }
        draw(&history, round);
        refer(&reference, &history, &expected);
        cr_assert_eq(sequence_open(&flow, 128, 128, T), 0);
        for (size_t i = 0; i < history.count; i++)
            sequence_arrived(&flow, &sums, history.copies[i].number,
                             history.copies[i].delay_ns,
                             history.copies[i].at_ns);
        end(history.sent);
        compare_flows(&flow, &reference.flow, round);
        if (round % BATCH == BATCH - 1)
            compare_sums(&sums, &expected, round);
    }
}

/* With too little memory what is counted stays right; only what is said to be
 * a bound is one. */
Test(sequence, counts_stay_right_where_gaps_are_forgotten)
{
    static struct sequence_sums expected;
    static struct history history;
    static struct reference reference;
    uint64_t beyond = 0;
    for (uint64_t round = 0; round < 1000; round++) {
        memset(&sums, 0, sizeof sums);
        draw(&history, round);
        refer(&reference, &history, &expected);
        cr_assert_eq(sequence_open(&flow, 128, 2, T), 0);
        for (size_t i = 0; i < history.count; i++)
            sequence_arrived(&flow, &sums, history.copies[i].number,
                             history.copies[i].delay_ns,
                             history.copies[i].at_ns);
        end(history.sent);
        beyond += sums.extents_beyond;
        const struct sequence *right = &reference.flow;
        cr_assert_eq(flow.unique, right->unique);
        cr_assert_eq(flow.reordered, right->reordered);
        cr_assert_eq(flow.duplicate, right->duplicate);
        cr_assert_eq(flow.losses.runs, right->losses.runs);
        cr_assert_eq(flow.n_reordering_max, right->n_reordering_max);
        cr_assert_leq(flow.extent_max, right->extent_max);
        cr_assert_leq(flow.extent_sum, right->extent_sum);
        if (sums.extents_beyond == 0)
            cr_assert_eq(flow.extent_sum, right->extent_sum);
        cr_assert_leq(flow.held_back_max, right->held_back_max);
        if (sums.gaps_forgotten == 0)
            cr_assert_eq(flow.held_back_max, right->held_back_max);
    }
    cr_assert_gt(beyond, 0);
}

Test(sequence, adding_the_sums_of_two_threads_is_adding_everything)
{
    static struct sequence_sums one;
    static struct sequence_sums other;
    begin(64, 8);
    ARRIVE(0, 2, 1, 1, 5);
    end(8);
    one = sums;
    begin(64, 8);
    ARRIVE(3, 0, 1);
    end(4);
    other = sums;
    sequence_sums_add(&one, &other);
    cr_expect_eq(one.sent, 12);
    cr_expect_eq(one.unique, 7);
    cr_expect_eq(one.reordered, 3);
    cr_expect_eq(one.extents.count, 3);
    cr_expect_eq(one.late_offset.total, 3);
    cr_expect_eq(one.losses.runs.count, 3);
    cr_expect_eq(one.held_back_max, 1);
    cr_expect_eq(one.jitter_flows, 2);
}

Test(sequence, variation_is_signed)
{
    int64_t ns = 0;
    begin(64, 8);
    cr_expect_not(sequence_variation(&sums, 0.5, &ns));
    /* Delays 10, 20, 10, 20 ...: half rise and half fall by 10. */
    for (uint64_t n = 0; n <= 2000; n++)
        sequence_arrived(&flow, &sums, n, 10 + n % 2 * 10, n * 20);
    cr_expect(sequence_variation(&sums, 0.01, &ns));
    cr_expect_eq(ns, -10);
    cr_expect(sequence_variation(&sums, 0.99, &ns));
    cr_expect_eq(ns, 10);
    cr_expect_not(sequence_variation(&sums, 0.999, &ns));
    end(2001);
}
