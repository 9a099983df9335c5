/*
 * Who runs where: how the CPUs of the generator's threads lie to those of the
 * server. Pure.
 */
#ifndef SOCKBENCH_LOADGEN_PLAN_PLACEMENT_H
#define SOCKBENCH_LOADGEN_PLAN_PLACEMENT_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

enum placement_kind {
    PLACEMENT_FREE,    /* a side is not pinned, or where it runs is not known */
    PLACEMENT_SPLIT,   /* no CPU serves both */
    PLACEMENT_SHARED,  /* some do */
    PLACEMENT_SHARDED, /* the same CPUs, two at least, and a thread on each */
};

struct placement {
    enum placement_kind kind;
    bool server_known;
    cpu_set_t server; /* when that is known */
    cpu_set_t shared; /* CPUs that both sides use; none when free */
};

/*
 * cpus[i] is what thread i is pinned to, or -1. server_cpus is a list of CPUs
 * that parses, or NULL.
 */
void placement_judge(struct placement *placement, const int *cpus,
                     uint32_t threads, const char *server_cpus);

/* "free", "split", "shared" or "sharded". */
const char *placement_name(const struct placement *placement);

/*
 * A thread that spins may take a CPU from the server: one that is pinned to its
 * CPU, or one of those that run anywhere in `allowed`.
 */
bool placement_spins_on_server(const struct placement *placement,
                               const cpu_set_t *allowed);

#endif
