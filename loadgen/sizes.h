/*
 * How many bytes a request has: always the same, or drawn. A drawn size depends
 * on the seed, the flow and the request's number alone, so that neither the
 * number of threads nor the order of replies changes what is sent.
 *
 *   64              every request
 *   uniform:64,1400 each size from 64 to 1400 is as likely as another
 *   exp:200         exponential with the mean 200, cut off at 16 times that:
 * the many small and few large ones of much real traffic
 */
#ifndef SOCKBENCH_LOADGEN_SIZES_H
#define SOCKBENCH_LOADGEN_SIZES_H

#include "loadgen/measure/random.h"

#include <stdbool.h>
#include <stdint.h>

#define SIZES_CUT_AT 16u          /* times the mean of `exp` */
#define SIZES_BYTES_MAX 16777215u /* what a frame's length can say */
#define SIZES_TEXT "a size such as 64, 16k, uniform:64,1400 or exp:200"

enum sizes_kind {
    SIZES_FIXED,
    SIZES_UNIFORM,
    SIZES_EXPONENTIAL,
};

struct sizes {
    enum sizes_kind kind;
    uint32_t least_bytes;
    uint32_t most_bytes;
    double scale_bytes; /* of `exp`: the mean before it is cut off */
    uint64_t seed;
};

extern const char *const sizes_kind_names[]; /* "fixed", "uniform", "exp" */

/* 0, or -EINVAL; seed 0, and the limits as typed or SIZES_CUT_AT has them. */
int sizes_parse(const char *text, struct sizes *ret);

/* Cuts an `exp` off below least_bytes and above most_bytes. */
void sizes_limit(struct sizes *sizes, uint32_t least_bytes,
                 uint32_t most_bytes);

/* The mean of what sizes_of gives, over all numbers. */
double sizes_mean(const struct sizes *sizes);

uint32_t sizes_draw(const struct sizes *sizes, uint32_t flow, uint64_t number);

/* The size of a request; those of the warm-up have numbers of their own. */
static inline uint32_t sizes_of(const struct sizes *sizes, bool warmup,
                                uint32_t flow, uint64_t sequence)
{
    if (sizes->kind == SIZES_FIXED)
        return sizes->most_bytes;
    return sizes_draw(sizes, flow, sequence | (uint64_t)warmup << 63);
}

#endif
