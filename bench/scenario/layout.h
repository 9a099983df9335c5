/* Which CPUs the server and the generator run on. */
#ifndef SOCKBENCH_BENCH_SCENARIO_LAYOUT_H
#define SOCKBENCH_BENCH_SCENARIO_LAYOUT_H

#include <sched.h>
#include <stdbool.h>

#define LAYOUT_CPUS_MAX 128
#define LAYOUT_SHARDS_MAX 256 /* as many threads as the generator has */

enum layout_kind {
    LAYOUT_SPLIT,    /* the first two CPUs that the bench may use, one each */
    LAYOUT_SHARED,   /* both on the first */
    LAYOUT_SHARDED,  /* on each CPU a worker of the server, and a thread of the
                        generator whose clients that worker serves */
    LAYOUT_FREE,     /* wherever the kernel puts them */
    LAYOUT_EXPLICIT, /* as the scenario says */
};

struct layout {
    enum layout_kind kind;
    char server_cpus[LAYOUT_CPUS_MAX]; /* as --cpus takes it; "": any */
    char generator_cpus[LAYOUT_CPUS_MAX];
    unsigned shards; /* of a sharded one, settled: its CPUs; else 0 */
};

/* The kind of this name, explicit apart; -EINVAL for others. */
int layout_kind_of(const char *name, enum layout_kind *ret_kind);

/* "split", "shared", "sharded", "free" or "explicit". */
const char *layout_name(const struct layout *layout);

/*
 * Settles the CPUs of a layout, and checks those of an explicit one, against
 * what is allowed. NULL, or why it cannot be here.
 */
const char *layout_settle(struct layout *layout, const cpu_set_t *allowed);

/* Both sides have CPUs of their own. */
bool layout_is_apart(const struct layout *layout);

/* The generator may run on a CPU of the server. False where it has CPUs of its
 * own and nobody knows where the server, which ran before, does. */
bool layout_may_share(const struct layout *layout);

#endif
