#include "loadgen/measure/lengths.h"

#define EXACT_BITS 6u

static unsigned bucket_of(uint64_t length)
{
    if (length < LENGTHS_EXACT)
        return (unsigned)length;
    return LENGTHS_EXACT + (63u - (unsigned)__builtin_clzll(length)) -
           EXACT_BITS;
}

void lengths_record(struct lengths *lengths, uint64_t length, uint64_t times)
{
    if (times == 0)
        return;
    lengths->count += times;
    lengths->sum += length * times;
    if (length > lengths->max)
        lengths->max = length;
    lengths->buckets[bucket_of(length)] += times;
}

void lengths_add(struct lengths *into, const struct lengths *from)
{
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
    for (unsigned i = 0; i < LENGTHS_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t lengths_bucket_low(unsigned bucket)
{
    if (bucket < LENGTHS_EXACT)
        return bucket;
    return 1ULL << (bucket - LENGTHS_EXACT + EXACT_BITS);
}

uint64_t lengths_bucket_high(unsigned bucket)
{
    if (bucket < LENGTHS_EXACT)
        return bucket;
    return 2 * (lengths_bucket_low(bucket) - 1) + 1;
}

uint64_t lengths_at_least(const struct lengths *lengths, uint64_t length)
{
    uint64_t count = 0;
    for (unsigned i = bucket_of(length); i < LENGTHS_BUCKETS; i++)
        count += lengths->buckets[i];
    return count;
}
