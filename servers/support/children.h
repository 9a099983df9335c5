/*
 * Children that serve: started, counted, reaped, stopped with their parent, and
 * never left behind by it.
 *
 * They are waited for, not ignored: the CPU time of a child that nobody waits
 * for is in no account (getrusage(2)). What they did they add to counters in
 * shared memory. SIGTERM makes a child part from its clients as the parent
 * would; when the parent dies, the kernel kills them.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_CHILDREN_H
#define SOCKBENCH_SERVERS_SUPPORT_CHILDREN_H

#include "servers/server.h"

#include <stdnoreturn.h>
#include <sys/types.h>

struct children {
    struct server *server;
    struct server_counters *counters; /* shared by all of them */
    pid_t *pids;                      /* by place; 0: a free one */
    uint64_t capacity;
    uint64_t used;           /* places that were ever taken */
    volatile uint64_t count; /* less one whenever a child is reaped */
    unsigned place;          /* in a child: its own */
};

/* For at most so many at once; one struct children a process. 0 or -errno. */
int children_open(struct children *children, struct server *server,
                  uint64_t capacity);

/* As fork(2): the pid in the parent, 0 in the child; or -errno. Where children
 * are the server's workers, the place is the worker's number, and its CPU the
 * child's. */
pid_t children_fork(struct children *children);

/* In a child: adds what it did to the account, and ends. */
noreturn void children_exit(const struct children *children,
                            const struct server_counters *counters);

/* Sleeps until there are fewer children than count, or a stop. */
void children_wait(struct children *children, uint64_t count);

/* Stops those that are left, waits for them, and adds their counters to the
 * server's. */
void children_close(struct children *children);

#endif
