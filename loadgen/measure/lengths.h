/*
 * How often each length occurred: of runs, distances, extents. Lengths below 64
 * are told one by one, longer ones by the power of two; sum and maximum are
 * exact. A fixed shape, so that merging is a vector add.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_LENGTHS_H
#define SOCKBENCH_LOADGEN_MEASURE_LENGTHS_H

#include <stdint.h>

#define LENGTHS_EXACT 64u
#define LENGTHS_BUCKETS (LENGTHS_EXACT + 58u) /* 2^6 to 2^63 */

struct lengths {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t buckets[LENGTHS_BUCKETS];
};

/* `times` lengths of this size; none is fine. */
void lengths_record(struct lengths *lengths, uint64_t length, uint64_t times);

void lengths_add(struct lengths *into, const struct lengths *from);

/* The least and the greatest length that a bucket holds. */
uint64_t lengths_bucket_low(unsigned bucket);
uint64_t lengths_bucket_high(unsigned bucket);

/* How many were at least so long; exact up to 64. */
uint64_t lengths_at_least(const struct lengths *lengths, uint64_t length);

#endif
