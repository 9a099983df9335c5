/*
 * What a server and everything it started have used: CPU, memory, switches.
 *
 * CPU comes from each process's own clock (clock_getcpuclockid(3)), which is
 * in ns and keeps what threads that are gone have used; /proc/PID/task/?/
 * schedstat forgets them, and a server with a thread a client has many. What
 * forked children used who are gone already comes from their parent's record
 * in /proc/PID/stat, in ticks.
 */
#ifndef SOCKBENCH_BENCH_TRIAL_USAGE_H
#define SOCKBENCH_BENCH_TRIAL_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USAGE_TREE_MAX 4096 /* processes looked at */

struct usage {
    uint64_t cpu_ns;      /* of the processes that live */
    uint64_t gone_ns;     /* of their children that are gone */
    uint64_t user_ns;     /* in ticks: good for the proportion only */
    uint64_t system_ns;   /* likewise */
    uint64_t voluntary;   /* context switches of the threads that live */
    uint64_t involuntary; /* likewise */
};

/* The children of a process. Returns their number, at most max. */
size_t usage_children(pid_t pid, pid_t *ret_children, size_t max);

/*
 * The tree of a server: itself, its descendants, and what fell to the calling
 * process as subreaper, which is every child but those in `others`. Returns
 * the number, at most max.
 */
size_t usage_tree(pid_t server, const pid_t *others, size_t other_count,
                  pid_t *ret_tree, size_t max);

/* Sums over the processes. One that ends meanwhile counts as nothing. */
void usage_read(const pid_t *tree, size_t count, struct usage *ret_usage);

/* Proportional set size, summed. 0, or -errno when none could be read. */
int usage_pss(const pid_t *tree, size_t count, uint64_t *ret_bytes);

/* The greatest resident set of one process. 0 or -errno. */
int usage_peak_rss(pid_t pid, uint64_t *ret_bytes);

#endif
