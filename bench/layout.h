/* Which CPUs the server and the generator run on. */
#ifndef SOCKBENCH_BENCH_LAYOUT_H
#define SOCKBENCH_BENCH_LAYOUT_H

#include <sched.h>
#include <stdbool.h>

#define LAYOUT_CPUS_MAX 128

enum layout_kind {
    LAYOUT_SPLIT,    /* the first two CPUs that the bench may use, one each */
    LAYOUT_SHARED,   /* both on the first */
    LAYOUT_EXPLICIT, /* as the scenario says */
};

struct layout {
    enum layout_kind kind;
    char server_cpus[LAYOUT_CPUS_MAX]; /* as --cpus takes it */
    char generator_cpus[LAYOUT_CPUS_MAX];
};

/* "split", "shared" or "explicit". */
const char *layout_name(const struct layout *layout);

/*
 * Settles the CPUs of a split or shared layout, and checks those of an
 * explicit one, against what is allowed. NULL, or why it cannot be here.
 */
const char *layout_settle(struct layout *layout, const cpu_set_t *allowed);

/* Both sides have CPUs of their own. */
bool layout_is_apart(const struct layout *layout);

#endif
