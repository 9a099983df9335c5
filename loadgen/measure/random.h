/*
 * Random numbers that depend on a key alone, not on how many were drawn
 * before: random_at(key, index) is a hash (splitmix64; Steele, Lea, Flood,
 * OOPSLA 2014). Schedules, sizes and orders drawn from it are the same whatever
 * the number of threads.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_RANDOM_H
#define SOCKBENCH_LOADGEN_MEASURE_RANDOM_H

#include <stdint.h>

static inline uint64_t random_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static inline uint64_t random_at(uint64_t key, uint64_t index)
{
    return random_mix(random_mix(key) ^ index * 0xd1342543de82ef95ULL);
}

/* In [0, 1), 53 bits. */
static inline double random_unit(uint64_t key, uint64_t index)
{
    return (double)(random_at(key, index) >> 11) * 0x1p-53;
}

/* In [0, bound), bound > 0; the bias is below bound / 2^64. */
static inline uint64_t random_below(uint64_t key, uint64_t index,
                                    uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)random_at(key, index) * bound) >> 64);
}

#endif
