/* Several loops in one process: threads that start together. */
#ifndef SOCKBENCH_SERVERS_SUPPORT_WORKERS_H
#define SOCKBENCH_SERVERS_SUPPORT_WORKERS_H

#include "servers/server.h"

#include <stdatomic.h>

struct workers;

struct worker {
    struct workers *workers;
    struct server *server;
    unsigned index;
    int listen_fd;                     /* its own, or everybody's */
    atomic_uint_fast64_t *clients_now; /* of all workers */
};

/* The CPU that worker `index` has to itself: of several, the one of --cpus in
 * its turn. -1: it runs wherever the server does. */
int workers_cpu(const struct server *server, unsigned index);

/* Keeps the calling thread, or child, to the CPU of that worker. 0 or -errno.
 */
int workers_pin(const struct server *server, unsigned index);

/*
 * Calls run for each of server->workers workers: the first in this thread, the
 * others in threads of their own, pinned one a CPU where --cpus was given and
 * there are several. Returns when all have; 0 or the first error, which also
 * stops the others.
 */
int workers_run(struct server *server, int (*run)(struct worker *worker));

/*
 * Each worker calls this once, when it can serve. The first one waits for the
 * others and then tells the world. 0 or -errno.
 */
int worker_ready(struct worker *worker, const char *granted);

#endif
