/*
 * What the CPUs of this machine did, as far as the kernel tells anybody: how
 * long each stood idle, how much of it a hypervisor took, whether this
 * process's group was throttled. Read twice; the difference is of interest.
 *
 * Idle time is counted in ticks of 10 ms (/proc/stat), so a stretch of less
 * than half a second says little.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_MACHINE_H
#define SOCKBENCH_LOADGEN_MEASURE_MACHINE_H

#include "loadgen/measure/cgroup.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* Others' CPU on the CPUs of a measurement, as a share of these: beyond it, it
 * is theirs as well. */
#define MACHINE_FOREIGN_LIMIT 0.05
#define MACHINE_FOREIGN_LEAST_NS 50000000u /* what ticks can tell apart */

struct machine_cpu {
    bool online;
    uint64_t idle_ns;
    uint64_t steal_ns;
    uint64_t interrupt_ns; /* hard and soft, where kept apart from tasks */
};

struct machine_sample {
    uint64_t at_ns;
    uint64_t own_cpu_ns;   /* of this process */
    uint64_t pressure_ns;  /* some task waited for a CPU */
    bool pressure_known;   /* the kernel keeps it (PSI) */
    bool throttling_known; /* this process is in a group with a limit */
    struct cgroup_throttling throttling;
    struct machine_cpu cpus[CPU_SETSIZE];
};

/* cgroup: this process's, or NULL. 0 or -errno. */
int machine_read(const struct cgroup *cgroup, struct machine_sample *ret);

/* The CPUs of the set that were online throughout. */
unsigned machine_count(const struct machine_sample *before,
                       const struct machine_sample *after,
                       const cpu_set_t *set);

/* How long they ran something, without interrupts where the kernel tells these
 * apart from the tasks that they hit. */
uint64_t machine_busy_ns(const struct machine_sample *before,
                         const struct machine_sample *after,
                         const cpu_set_t *set);

uint64_t machine_steal_ns(const struct machine_sample *before,
                          const struct machine_sample *after,
                          const cpu_set_t *set);

/* What others used: busy less one's own. Whether it is too much to believe in a
 * measurement. */
uint64_t machine_foreign_ns(uint64_t busy_ns, uint64_t own_ns);
bool machine_is_disturbed(uint64_t foreign_ns, uint64_t observed_ns,
                          unsigned cpus);

#endif
