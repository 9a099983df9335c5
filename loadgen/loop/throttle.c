#include "loadgen/loop/throttle.h"

#include <errno.h>
#include <stdlib.h>

int throttle_init(struct throttle *throttle, double requests_per_s,
                  double bits_per_s, uint32_t flows)
{
    *throttle = (struct throttle){.gap_ns = 1e9 / requests_per_s,
                                  .byte_ns = 8e9 / bits_per_s,
                                  .capacity = flows};
    throttle->line = calloc((size_t)flows + 1, sizeof *throttle->line);
    return throttle->line ? 0 : -ENOMEM;
}

void throttle_done(struct throttle *throttle)
{
    free(throttle->line);
    *throttle = (struct throttle){0};
}

uint64_t throttle_next_ns(const struct throttle *throttle)
{
    double next = throttle->due_ns - THROTTLE_AHEAD_NS;
    return next > 0 ? (uint64_t)next + 1 : 0;
}

void throttle_charge(struct throttle *throttle, uint64_t now_ns, size_t bytes)
{
    double cost = (double)bytes * throttle->byte_ns;
    if (cost < throttle->gap_ns)
        cost = throttle->gap_ns;
    /* Time in which nothing was asked is not made up for. */
    if (throttle->due_ns < (double)now_ns)
        throttle->due_ns = (double)now_ns;
    throttle->due_ns += cost;
}

void throttle_hold(struct throttle *throttle, uint32_t flow)
{
    uint32_t end = (throttle->first + throttle->waiting) % throttle->capacity;
    throttle->line[end] = flow;
    throttle->waiting++;
    throttle->held_back++;
}

uint32_t throttle_take(struct throttle *throttle)
{
    uint32_t flow = throttle->line[throttle->first];
    throttle->first = (throttle->first + 1) % throttle->capacity;
    throttle->waiting--;
    return flow;
}
