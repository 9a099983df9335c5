/*
 * Prefork: --workers children are there before the clients, and each of them
 * accepts for itself and serves one client after the other.
 *
 *     parent:  fork, fork, ... --> wait
 *     child:   accept --> recv <--> send --> close --> accept --> ...
 *     child:   accept --> recv <--> send --> close --> accept --> ...
 *
 * All children wait in accept on the one socket that they inherited; the kernel
 * wakes one of them for each client. No client waits for a process to start,
 * and one that crashes is replaced. But there are only so many: when each child
 * has a client that stays, the next client waits in the backlog, as with the
 * iterative server.
 *
 * Compare with tcp_fork.c, whose processes come and go with the clients, and
 * with tcp_pool.c, which does this with threads.
 */
#include "servers/server.h"
#include "servers/support/accept.h"
#include "servers/support/blocking.h"
#include "servers/support/children.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* In a child: the iterative server. */
static void serve_all(struct children *children, uint8_t *buffer)
{
    struct server *server = children->server;
    struct server_counters counters = {0};
    while (!stop_requested()) {
        int fd = accept_client(server, server->listen_fd, 0, &counters);
        if (fd == -EMFILE) {
            accept_rest();
            continue;
        }
        if (fd < 0) /* the parent has shut the listener down */
            break;
        counters.accepted++;
        blocking_serve(server, fd, buffer, &counters);
        close(fd);
        counters.closed++;
    }
    children_exit(children, &counters);
}

static int start_missing(struct children *children, uint8_t *buffer)
{
    while (children->count < children->server->workers) {
        pid_t pid = children_fork(children);
        if (pid == 0)
            serve_all(children, buffer);
        if (pid < 0)
            return pid;
    }
    return 0;
}

int tcp_prefork_run(struct server *server)
{
    struct children children;
    uint8_t *buffer = malloc(server->options->buffer_bytes);
    int r = children_open(&children, server, server->workers);
    if (!buffer)
        r = -ENOMEM;
    if (r == 0)
        r = start_missing(&children, buffer);
    if (r == 0)
        r = server_ready(server, NULL);

    while (r == 0 && !stop_requested()) {
        children_wait(&children, server->workers);
        if (stop_requested())
            break;
        accept_rest(); /* should they die as fast as they are started */
        start_missing(&children, buffer); /* else after the next rest */
    }

    children_close(&children);
    free(buffer);
    return r;
}
