/*
 * When the next request of an open loop is due: pure logic.
 *
 * Every flow has a schedule of its own at rate / connections, drawn from (seed,
 * flow) alone, so that neither the number of threads nor anything that happens
 * changes it. The sum of independent Poisson processes is one at the sum of
 * their rates; constant flows are offset so that their sum is even; a burst
 * comes on one flow at once.
 */
#ifndef SOCKBENCH_LOADGEN_ARRIVAL_H
#define SOCKBENCH_LOADGEN_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

enum arrival_kind {
    ARRIVAL_POISSON,
    ARRIVAL_CONSTANT,
    ARRIVAL_BURST
};

struct arrival {
    enum arrival_kind kind;
    uint32_t burst; /* requests at once; 1 but for ARRIVAL_BURST */
    uint32_t flows;
    double gap_ns; /* mean time between the events of one flow */
    uint64_t seed;
};

/* "poisson", "constant" or "burst:N" (2 <= N <= 65536). 0 or -EINVAL. */
int arrival_parse(const char *text, enum arrival_kind *ret_kind,
                  uint32_t *ret_burst);

/* rate_per_s > 0 is the total over `flows` flows. */
void arrival_init(struct arrival *arrival, enum arrival_kind kind,
                  uint32_t burst, double rate_per_s, uint32_t flows,
                  uint64_t seed);

/* One flow's place in its schedule. */
struct arrival_place {
    double due_ns;  /* of the request to come, since the schedule's begin */
    uint64_t index; /* its number, from 0 */
};

/* The place of a flow's first request. */
struct arrival_place arrival_first(const struct arrival *arrival,
                                   uint32_t flow);

/* Moves on to the flow's next request. */
void arrival_next(const struct arrival *arrival, uint32_t flow,
                  struct arrival_place *place);

/*
 * Kolmogorov-Smirnov: the greatest distance between the distribution of the
 * gaps that this schedule generates (the first `samples` over all flows in
 * turn) and the one it claims, and the critical value at 1 % (Stephens' form
 * for a known distribution: 1.628 / (sqrt n + 0.12 + 0.11 / sqrt n)). Poisson
 * only: false for the others, whose gaps are not random. arrival_distance sorts
 * the gaps that it is given.
 */
double arrival_distance(double *gaps, uint32_t count, double mean);
bool arrival_test(const struct arrival *arrival, uint32_t samples,
                  double *ret_distance, double *ret_critical);

#endif
