/*
 * From what the user asked to what will be run: names resolved, limits checked
 * before the first packet, the engine chosen.
 */
#ifndef SOCKBENCH_LOADGEN_PLAN_PLAN_H
#define SOCKBENCH_LOADGEN_PLAN_PLAN_H

#include "loadgen/loop/worker.h"
#include "loadgen/options.h"
#include "loadgen/plan/placement.h"
#include "loadgen/sequence/passage.h"

struct plan {
    struct load_options options;
    struct sizes sizes;      /* of requests */
    const char *target_text; /* as typed */
    const char *engine_note; /* why the engine is not the default, or NULL */
    const char *udp_offload_note; /* why UDP is not sent in blocks, or NULL */
    struct course course;
    struct passage *passage; /* NULL without --server-trace */
    int *cpus;               /* of each thread, or -1 */
    struct placement placement;
    bool may_spin; /* it takes nothing from a server that is known */
};

struct plan_error {
    int exit_code; /* EXIT_USAGE, EXIT_IMPOSSIBLE or EXIT_FAILED */
    char text[320];
};

/* 0, or -1 with *error filled. Released by plan_done either way. */
int plan_make(struct plan *plan, const struct load_options *options,
              const char *target, struct plan_error *error);
void plan_done(struct plan *plan);

#endif
