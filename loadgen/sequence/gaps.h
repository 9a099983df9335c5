/*
 * The numbers of one flow that were passed over and have not come (yet), as
 * intervals in ascending order: pure logic, a ring of fixed size, searched by
 * bisection.
 *
 * A gap remembers the arrival that opened it. For any number inside, that is
 * the first arrival with a greater number, from which RFC 4737 counts extents
 * and late-time offsets. A full ring forgets its oldest gap.
 *
 * The gaps from `waiting` on are those that a receiver who hands on in order
 * would still wait for (RFC 5236).
 */
#ifndef SOCKBENCH_LOADGEN_SEQUENCE_GAPS_H
#define SOCKBENCH_LOADGEN_SEQUENCE_GAPS_H

#include <stdbool.h>
#include <stdint.h>

struct gap {
    uint64_t first;
    uint64_t last;
    uint64_t index;     /* of the arrival that opened it */
    uint64_t opened_ns; /* and when that was */
    uint64_t before_ns; /* the delay of number first - 1 */
    uint64_t after_ns;  /* and of number last + 1 */
};

struct gaps {
    struct gap *ring;
    uint32_t capacity; /* a power of two, two at least */
    uint32_t begin;    /* these three run on */
    uint32_t waiting;
    uint32_t end;
    uint64_t missing;   /* numbers in the gaps from `waiting` on */
    uint64_t forgotten; /* gaps dropped while they were waited for */
};

/* A new gap above all others. */
void gaps_open(struct gaps *gaps, const struct gap *gap);

/* Takes a number out; *ret_gap is its gap as it was before. False where no gap
 * that is remembered holds it. delay_ns: of the number. */
bool gaps_take(struct gaps *gaps, uint64_t number, uint64_t delay_ns,
               struct gap *ret_gap);

/* Gaps that were opened before `before_ns` are waited for no more. */
void gaps_give_up(struct gaps *gaps, uint64_t before_ns);

/* Gaps that lie below `number` altogether are of no more use. */
void gaps_retire(struct gaps *gaps, uint64_t number);

/* The oldest gap that is remembered, or NULL. */
const struct gap *gaps_oldest(const struct gaps *gaps);

/* Arrivals that wait for a gap to fill, where `next` is one above the greatest
 * number that came. */
uint64_t gaps_held_back(const struct gaps *gaps, uint64_t next);

#endif
