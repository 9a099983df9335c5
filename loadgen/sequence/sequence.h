/*
 * What became of the numbers of one flow, seen by the one at whom they arrive:
 * pure logic, no sockets, memory O(window).
 *
 * Numbers are 0 to K - 1 in the order in which they were sent. The first copy
 * of a number is on time up to the timeout T after it was sent, and late
 * afterwards; every further copy is a duplicate, which is never a reordering
 * and never repairs a loss (RFC 5560). Reordered is RFC 4737 section 3.3.
 *
 * A ring holds four bits a number: how many copies came, and whether the first
 * one was on time. It reaches `window` numbers back from the greatest that has
 * come; a number that leaves it retires, in ascending order, and is counted
 * into the patterns of loss. A copy of a number below the ring is `ancient`:
 * nobody can say any more whether it is the first. While there are none,
 * everything here is exact.
 */
#ifndef SOCKBENCH_LOADGEN_SEQUENCE_SEQUENCE_H
#define SOCKBENCH_LOADGEN_SEQUENCE_SEQUENCE_H

#include "loadgen/measure/hist.h"
#include "loadgen/sequence/gaps.h"
#include "loadgen/sequence/losses.h"

#include <stdbool.h>
#include <stdint.h>

#define SEQUENCE_RECENT 32u /* arrivals remembered, for n-reordering */
#define SEQUENCE_COPIES 7u  /* seven of a number, or more */
#define SEQUENCE_WITHIN 4   /* delays that are looked at: 1, 10, 100 ms, 1 s */
#define SEQUENCE_DELAY_UNKNOWN UINT64_MAX

extern const uint64_t sequence_within_ns[SEQUENCE_WITHIN];

/* What several flows leave together. Lengths of loss patterns and of runs hold
 * what has retired: all of it after sequence_end. */
struct sequence_sums {
    /* After sequence_end. */
    uint64_t sent;
    uint64_t unique;
    uint64_t late;
    uint64_t duplicate;
    uint64_t ancient;
    uint64_t reordered;
    uint64_t discontinuities;
    uint64_t passed_over;
    uint64_t gaps_forgotten;
    uint64_t held_back_max;
    uint64_t jitter_flows; /* with two arrivals or more */
    double jitter_sum_ns;
    double jitter_max_ns;

    /* As they come. */
    struct loss_patterns losses;
    struct lengths copies;  /* of the numbers of which any came */
    struct lengths extents; /* of the reordered ones */
    struct lengths n_reordering;
    struct lengths free_runs; /* arrivals in order between reordered ones */
    uint64_t extents_beyond;  /* whose extent is at least what was counted */
    uint64_t within[SEQUENCE_WITHIN];
    struct hist late_offset; /* of the reordered ones */
    struct hist rising;      /* delays above that of the number before */
    struct hist falling;     /* below it: by how much */
};

/* One flow. All times are of one clock, and never go back. */
struct sequence {
    uint64_t next;   /* one above the greatest number that came */
    uint64_t unique; /* first copies, on time or late */
    uint64_t late;   /* first copies after the timeout */
    uint64_t duplicate;
    uint64_t ancient;
    uint64_t reordered;
    uint64_t discontinuities; /* arrivals that passed numbers over */
    uint64_t passed_over;     /* and how many numbers */
    uint64_t extent_sum;
    uint64_t extent_max;
    uint64_t n_reordering_max;
    uint64_t held_back_max; /* by a receiver that hands on in order */
    double jitter_ns;       /* RFC 3550 section 6.4.1 */
    struct losses losses;   /* not on time; complete after sequence_end */

    uint64_t timeout_ns;
    uint64_t window;          /* a power of two */
    uint8_t *states;          /* two numbers a byte */
    uint64_t free_run;        /* arrivals in order since a reordered one */
    uint64_t arrived_ns;      /* delay of the last arrival */
    uint64_t newest_delay_ns; /* delay of number next - 1 */
    struct gaps gaps;
    uint64_t recent[SEQUENCE_RECENT];
};

/* The flows of one thread: their trackers share a fixed amount of memory over
 * all flows of a run. */
struct sequences {
    struct sequence *flows;
    uint8_t *states;
    struct gap *gaps;
};

/* `count` flows of `total` of a run. 0 or -ENOMEM; released by
 * sequences_done. */
int sequences_init(struct sequences *sequences, uint32_t count, uint32_t total,
                   uint64_t timeout_ns);
void sequences_done(struct sequences *sequences);

/* The same for one flow with a window of its own choosing (powers of two): what
 * tests want. */
int sequence_open(struct sequence *sequence, uint64_t window, uint32_t gaps,
                  uint64_t timeout_ns);
void sequence_close(struct sequence *sequence);

/*
 * A copy of `number` arrived at now_ns, delay_ns after it was sent. A delay
 * that is not known any more is beyond the timeout. True for a first copy.
 */
bool sequence_arrived(struct sequence *sequence, struct sequence_sums *sums,
                      uint64_t number, uint64_t delay_ns, uint64_t now_ns);

/* The flow is over, `sent` numbers have been sent: the rest retires, and the
 * flow joins the sums. */
void sequence_end(struct sequence *sequence, struct sequence_sums *sums,
                  uint64_t sent);

/* Never arrived, of so many sent. With ancient copies, at most. */
static inline uint64_t sequence_lost(const struct sequence *sequence,
                                     uint64_t sent)
{
    return sent - sequence->unique;
}

void sequence_sums_add(struct sequence_sums *into,
                       const struct sequence_sums *from);

/* The q-quantile of the signed difference between the delays of consecutive
 * numbers (RFC 3393), q <= 0.5 from the falling side. False where fewer than
 * ten samples lie beyond. */
bool sequence_variation(const struct sequence_sums *sums, double q,
                        int64_t *ret_ns);

#endif
