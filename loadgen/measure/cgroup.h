/*
 * The limits that a control group sets to this process, version 1 or 2, and
 * what they cost: a generator that is throttled measures its own limit.
 *
 * A limit may stand in any group from the process's own up to the root that is
 * mounted, so all of them are looked at.
 */
#ifndef SOCKBENCH_LOADGEN_MEASURE_CGROUP_H
#define SOCKBENCH_LOADGEN_MEASURE_CGROUP_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
    int version; /* 1 or 2 */
    char folder[PATH_MAX];
    size_t top; /* length of the mounted root's path within folder */
};

/* Where this process stands for a controller ("cpu", "memory"). 0; -ENOENT: in
 * no group that is mounted here. */
int cgroup_find(const char *controller, struct cgroup *ret);

/* The CPUs that the tightest quota gives, 1.5 say. 0; -ENODATA: no limit. */
int cgroup_cpu_limit(const struct cgroup *cgroup, double *ret_cpus);

/* 0; -ENODATA: no limit. */
int cgroup_memory_limit(const struct cgroup *cgroup, uint64_t *ret_bytes);

struct cgroup_throttling {
    uint64_t periods; /* in which the group was held back */
    uint64_t held_ns; /* summed over its CPUs */
};

/* Since the groups were made. 0; -ENODATA: no group with a limit counts it. */
int cgroup_throttling(const struct cgroup *cgroup,
                      struct cgroup_throttling *ret);

#endif
