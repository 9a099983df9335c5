/*
 * Others on the CPUs of the server while it was under load. The load generator
 * looks after its own CPUs; those of the server only the bench can judge, which
 * knows what the server's process tree used.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_FOREIGN_H
#define SOCKBENCH_BENCH_TRIAL_FOREIGN_H

#include "loadgen/measure/machine.h"

#include <jansson.h>

struct foreign {
    bool began, ended; /* and could be read */
    struct machine_sample before, after;
};

void foreign_begin(struct foreign *foreign);
void foreign_end(struct foreign *foreign);

/*
 * Puts evidence.server_foreign_cpu into a load's report, and where others used
 * too much of these CPUs, what follows into its verdict. server_cpus: a list,
 * "" for all that the bench may use. measured_ns: what the server and whatever
 * else was measured on these CPUs used in between.
 */
void foreign_put(const struct foreign *foreign, const char *server_cpus,
                 uint64_t measured_ns, json_t *report);

#endif
