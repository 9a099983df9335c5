/*
 * A closed loop that must not ask more than so often: requests per second, and
 * bits per second, averaged over any stretch of time (the generic cell rate
 * algorithm, ITU-T I.371). Flows that have to wait stand in a line.
 */
#ifndef SOCKBENCH_LOADGEN_LOOP_THROTTLE_H
#define SOCKBENCH_LOADGEN_LOOP_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define THROTTLE_AHEAD_NS 1e6 /* a sleep is no more exact than that */

struct throttle {
    double gap_ns;  /* between requests; 0: no limit at all */
    double byte_ns; /* between bytes */
    double due_ns; /* when the next request would be, were they evenly spread */
    uint32_t *line; /* ring of flows that wait */
    uint32_t capacity;
    uint32_t first;
    uint32_t waiting;
    uint64_t held_back; /* times that a flow had to wait */
};

/* For at most `flows` in line; both limits above 0. 0 or -ENOMEM; released by
 * throttle_done. */
int throttle_init(struct throttle *throttle, double requests_per_s,
                  double bits_per_s, uint32_t flows);
void throttle_done(struct throttle *throttle);

static inline bool throttle_is_on(const struct throttle *throttle)
{
    return throttle->gap_ns > 0;
}

/* Whether a request may be made now. */
static inline bool throttle_allows(const struct throttle *throttle,
                                   uint64_t now_ns)
{
    return throttle->due_ns <= (double)now_ns + THROTTLE_AHEAD_NS;
}

/* When one may be made. */
uint64_t throttle_next_ns(const struct throttle *throttle);

/* One was made, of so many bytes. */
void throttle_charge(struct throttle *throttle, uint64_t now_ns, size_t bytes);

/* A flow that is not in line yet goes to its end; the line is not full. */
void throttle_hold(struct throttle *throttle, uint32_t flow);

/* The first in line leaves it; the line is not empty. */
uint32_t throttle_take(struct throttle *throttle);

#endif
