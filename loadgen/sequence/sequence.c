#include "loadgen/sequence/sequence.h"

#include "loadgen/measure/clock.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the trackers of all flows share; the pages are touched as numbers come.
 */
#define STATES_BYTES (4ULL << 20)
#define GAPS_BYTES (4ULL << 20)
#define WINDOW_MIN 64u
#define GAPS_MIN 8u

#define STATE_COPIES 0x7u
#define STATE_ON_TIME 0x8u

const uint64_t sequence_within_ns[SEQUENCE_WITHIN] = {
    NS_PER_MS, 10 * NS_PER_MS, 100 * NS_PER_MS, NS_PER_S};

/* ------------------------------------------------------------- memory --- */

static uint64_t power_of_two_within(uint64_t limit, uint64_t least)
{
    uint64_t value = least;
    while (value * 2 <= limit)
        value *= 2;
    return value;
}

static void place(struct sequence *sequence, uint64_t window, uint8_t *states,
                  uint32_t gaps, struct gap *ring, uint64_t timeout_ns)
{
    *sequence = (struct sequence){.timeout_ns = timeout_ns,
                                  .window = window,
                                  .states = states,
                                  .arrived_ns = SEQUENCE_DELAY_UNKNOWN,
                                  .newest_delay_ns = SEQUENCE_DELAY_UNKNOWN,
                                  .gaps = {.ring = ring, .capacity = gaps}};
}

int sequences_init(struct sequences *sequences, uint32_t count, uint32_t total,
                   uint64_t timeout_ns)
{
    uint64_t window = power_of_two_within(2 * STATES_BYTES / total, WINDOW_MIN);
    uint64_t gaps =
        power_of_two_within(GAPS_BYTES / sizeof(struct gap) / total, GAPS_MIN);
    struct sequences made = {0};
    made.flows = calloc(count, sizeof *made.flows);
    made.states = calloc(count, window / 2);
    made.gaps = calloc(count * gaps, sizeof *made.gaps);
    if (!made.flows || !made.states || !made.gaps) {
        sequences_done(&made);
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < count; i++)
        place(&made.flows[i], window, made.states + i * (window / 2),
              (uint32_t)gaps, made.gaps + i * gaps, timeout_ns);
    *sequences = made;
    return 0;
}

void sequences_done(struct sequences *sequences)
{
    free(sequences->flows);
    free(sequences->states);
    free(sequences->gaps);
    *sequences = (struct sequences){0};
}

int sequence_open(struct sequence *sequence, uint64_t window, uint32_t gaps,
                  uint64_t timeout_ns)
{
    uint8_t *states = calloc(1, window / 2);
    struct gap *ring = calloc(gaps, sizeof *ring);
    if (!states || !ring) {
        free(states);
        free(ring);
        return -ENOMEM;
    }
    place(sequence, window, states, gaps, ring, timeout_ns);
    return 0;
}

void sequence_close(struct sequence *sequence)
{
    free(sequence->states);
    free(sequence->gaps.ring);
    sequence->states = NULL;
    sequence->gaps.ring = NULL;
}

/* ------------------------------------------------ the state of a number --- */

static unsigned state_of(const struct sequence *sequence, uint64_t number)
{
    uint64_t slot = number & (sequence->window - 1);
    return (unsigned)sequence->states[slot / 2] >> (slot % 2 * 4) & 0xfu;
}

static void set_state(struct sequence *sequence, uint64_t number,
                      unsigned state)
{
    uint64_t slot = number & (sequence->window - 1);
    unsigned shift = slot % 2 * 4;
    unsigned byte = sequence->states[slot / 2];
    sequence->states[slot / 2] =
        (uint8_t)((byte & ~(0xfu << shift)) | state << shift);
}

/* ---------------------------------------------------------- retirement --- */

/* The least number that the ring holds. */
static uint64_t low_of(const struct sequence *sequence)
{
    return sequence->next > sequence->window ? sequence->next - sequence->window
                                             : 0;
}

/* Numbers [begin, end) leave the ring, which reaches up to `next`. */
static void retire(struct sequence *sequence, struct sequence_sums *sums,
                   uint64_t begin, uint64_t end)
{
    uint64_t held = end < sequence->next ? end : sequence->next;
    uint64_t single = 0;
    for (uint64_t number = begin; number < held; number++) {
        unsigned state = state_of(sequence, number);
        if (state == (STATE_ON_TIME | 1u)) {
            single++;
        } else {
            if (state & STATE_COPIES)
                lengths_record(&sums->copies, state & STATE_COPIES, 1);
            if (!(state & STATE_ON_TIME))
                losses_add(&sequence->losses, &sums->losses, number, 1);
        }
        set_state(sequence, number, 0);
    }
    lengths_record(&sums->copies, 1, single);
    uint64_t from = begin > held ? begin : held;
    if (end > from) /* passed over by more than the window */
        losses_add(&sequence->losses, &sums->losses, from, end - from);
}

/* The ring is to reach up to and with `number`, which is not below `next`. */
static void advance(struct sequence *sequence, struct sequence_sums *sums,
                    uint64_t number)
{
    uint64_t old_low = low_of(sequence);
    uint64_t low =
        number + 1 > sequence->window ? number + 1 - sequence->window : 0;
    if (low > old_low) {
        retire(sequence, sums, old_low, low);
        gaps_retire(&sequence->gaps, low);
    }
    sequence->next = number + 1;
}

/* ------------------------------------------------------------ arrivals --- */

/* RFC 3393: one sample for each two consecutive numbers that both came. */
static void pair(struct sequence_sums *sums, uint64_t earlier_ns,
                 uint64_t later_ns)
{
    if (earlier_ns == SEQUENCE_DELAY_UNKNOWN ||
        later_ns == SEQUENCE_DELAY_UNKNOWN)
        return;
    if (later_ns >= earlier_ns)
        hist_record(&sums->rising, later_ns - earlier_ns);
    else
        hist_record(&sums->falling, earlier_ns - later_ns);
}

static void take_in_order(struct sequence *sequence, struct sequence_sums *sums,
                          uint64_t number, uint64_t delay_ns, uint64_t now_ns)
{
    uint64_t expected = sequence->next;
    advance(sequence, sums, number);
    if (number > expected) {
        sequence->discontinuities++;
        sequence->passed_over += number - expected;
        gaps_open(&sequence->gaps,
                  &(struct gap){.first = expected,
                                .last = number - 1,
                                .index = sequence->unique,
                                .opened_ns = now_ns,
                                .before_ns = sequence->newest_delay_ns,
                                .after_ns = delay_ns});
    } else if (number > 0) {
        pair(sums, sequence->newest_delay_ns, delay_ns);
    }
    sequence->newest_delay_ns = delay_ns;
    sequence->free_run++;
}

/* RFC 4737 section 5: how many arrivals just before this one were greater. */
static uint64_t n_reordering(const struct sequence *sequence, uint64_t number)
{
    uint64_t most =
        sequence->unique < SEQUENCE_RECENT ? sequence->unique : SEQUENCE_RECENT;
    uint64_t n = 0;
    while (n < most &&
           sequence->recent[(sequence->unique - 1 - n) % SEQUENCE_RECENT] >
               number)
        n++;
    return n;
}

static void take_reordered(struct sequence *sequence,
                           struct sequence_sums *sums, uint64_t number,
                           uint64_t delay_ns, uint64_t now_ns)
{
    uint64_t extent = 1;
    uint64_t offset_ns = 0;
    struct gap gap;
    if (gaps_take(&sequence->gaps, number, delay_ns, &gap)) {
        extent = sequence->unique - gap.index;
        offset_ns = now_ns - gap.opened_ns;
        if (number == gap.first && number > 0)
            pair(sums, gap.before_ns, delay_ns);
        if (number == gap.last)
            pair(sums, delay_ns, gap.after_ns);
    } else {
        /* Its gap was opened before all that are remembered. */
        const struct gap *oldest = gaps_oldest(&sequence->gaps);
        if (oldest) {
            extent = sequence->unique - oldest->index;
            offset_ns = now_ns - oldest->opened_ns;
        }
        sums->extents_beyond++;
    }
    uint64_t n = n_reordering(sequence, number);
    sequence->reordered++;
    sequence->extent_sum += extent;
    if (extent > sequence->extent_max)
        sequence->extent_max = extent;
    if (n > sequence->n_reordering_max)
        sequence->n_reordering_max = n;
    lengths_record(&sums->extents, extent, 1);
    lengths_record(&sums->n_reordering, n, 1);
    lengths_record(&sums->free_runs, sequence->free_run, 1);
    hist_record(&sums->late_offset, offset_ns);
    sequence->free_run = 0;
}

/* What a first copy tells by its delay alone. */
static void note_delay(struct sequence *sequence, struct sequence_sums *sums,
                       uint64_t delay_ns)
{
    if (delay_ns != SEQUENCE_DELAY_UNKNOWN &&
        sequence->arrived_ns != SEQUENCE_DELAY_UNKNOWN) {
        double difference = (double)delay_ns - (double)sequence->arrived_ns;
        sequence->jitter_ns += (fabs(difference) - sequence->jitter_ns) / 16;
    }
    sequence->arrived_ns = delay_ns;
    for (int i = 0; i < SEQUENCE_WITHIN; i++)
        sums->within[i] += delay_ns <= sequence_within_ns[i];
}

bool sequence_arrived(struct sequence *sequence, struct sequence_sums *sums,
                      uint64_t number, uint64_t delay_ns, uint64_t now_ns)
{
    if (number < low_of(sequence)) {
        sequence->ancient++;
        return false;
    }
    bool in_order = number >= sequence->next;
    unsigned state = in_order ? 0 : state_of(sequence, number);
    if (state & STATE_COPIES) {
        sequence->duplicate++;
        if ((state & STATE_COPIES) < SEQUENCE_COPIES)
            set_state(sequence, number, state + 1);
        return false;
    }
    bool late = delay_ns > sequence->timeout_ns;
    gaps_give_up(&sequence->gaps, now_ns > sequence->timeout_ns
                                      ? now_ns - sequence->timeout_ns
                                      : 0);
    if (in_order)
        take_in_order(sequence, sums, number, delay_ns, now_ns);
    else
        take_reordered(sequence, sums, number, delay_ns, now_ns);
    set_state(sequence, number, late ? 1u : STATE_ON_TIME | 1u);
    sequence->recent[sequence->unique % SEQUENCE_RECENT] = number;
    sequence->unique++;
    sequence->late += late;
    note_delay(sequence, sums, delay_ns);
    uint64_t held_back = gaps_held_back(&sequence->gaps, sequence->next);
    if (held_back > sequence->held_back_max)
        sequence->held_back_max = held_back;
    return true;
}

/* ---------------------------------------------------------------- sums --- */

void sequence_end(struct sequence *sequence, struct sequence_sums *sums,
                  uint64_t sent)
{
    retire(sequence, sums, low_of(sequence), sent);
    losses_end(&sequence->losses, &sums->losses);
    if (sequence->unique > 0) /* the last run, which no reordering ended */
        lengths_record(&sums->free_runs, sequence->free_run, 1);
    sums->sent += sent;
    sums->unique += sequence->unique;
    sums->late += sequence->late;
    sums->duplicate += sequence->duplicate;
    sums->ancient += sequence->ancient;
    sums->reordered += sequence->reordered;
    sums->discontinuities += sequence->discontinuities;
    sums->passed_over += sequence->passed_over;
    sums->gaps_forgotten += sequence->gaps.forgotten;
    if (sequence->held_back_max > sums->held_back_max)
        sums->held_back_max = sequence->held_back_max;
    if (sequence->unique < 2)
        return;
    sums->jitter_flows++;
    sums->jitter_sum_ns += sequence->jitter_ns;
    if (sequence->jitter_ns > sums->jitter_max_ns)
        sums->jitter_max_ns = sequence->jitter_ns;
}

void sequence_sums_add(struct sequence_sums *into,
                       const struct sequence_sums *from)
{
    into->sent += from->sent;
    into->unique += from->unique;
    into->late += from->late;
    into->duplicate += from->duplicate;
    into->ancient += from->ancient;
    into->reordered += from->reordered;
    into->discontinuities += from->discontinuities;
    into->passed_over += from->passed_over;
    into->gaps_forgotten += from->gaps_forgotten;
    if (from->held_back_max > into->held_back_max)
        into->held_back_max = from->held_back_max;
    into->jitter_flows += from->jitter_flows;
    into->jitter_sum_ns += from->jitter_sum_ns;
    if (from->jitter_max_ns > into->jitter_max_ns)
        into->jitter_max_ns = from->jitter_max_ns;
    loss_patterns_add(&into->losses, &from->losses);
    lengths_add(&into->copies, &from->copies);
    lengths_add(&into->extents, &from->extents);
    lengths_add(&into->n_reordering, &from->n_reordering);
    lengths_add(&into->free_runs, &from->free_runs);
    into->extents_beyond += from->extents_beyond;
    for (int i = 0; i < SEQUENCE_WITHIN; i++)
        into->within[i] += from->within[i];
    hist_add(&into->late_offset, &from->late_offset);
    hist_add(&into->rising, &from->rising);
    hist_add(&into->falling, &from->falling);
}

bool sequence_variation(const struct sequence_sums *sums, double q,
                        int64_t *ret_ns)
{
    uint64_t below = sums->falling.total;
    uint64_t total = below + sums->rising.total;
    double beyond = q < 0.5 ? q : 1 - q;
    if (total == 0 || (double)total * beyond < 10)
        return false;
    uint64_t rank = (uint64_t)ceil(q * (double)total);
    if (rank <= below) /* the most negative is the greatest fall */
        *ret_ns = -(int64_t)hist_at_rank(&sums->falling, below - rank + 1);
    else
        *ret_ns = (int64_t)hist_at_rank(&sums->rising, rank - below);
    return true;
}
