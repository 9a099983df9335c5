/*
 * Fork per client: the parent accepts, and every client gets a process that
 * serves it as the iterative server would.
 *
 *     parent:  accept --> fork --> close --> accept --> ...
 *     child:                  recv <--> send --> exit
 *     child:                  recv <--> send --> exit
 *
 * The oldest concurrent server, and the safest: a child that crashes, leaks or
 * is killed takes its one client with it and nobody else. A process costs some
 * 100 us to start and a switch of address spaces a request; 500 are the limit
 * here. After fork both have the connection open: it ends when both have closed
 * it, so the parent closes its copy at once, and the child the listener.
 *
 * Compare with tcp_iterative.c, whose loop the child runs, with tcp_prefork.c,
 * which forks beforehand, and with tcp_thread.c.
 */
#include "servers/server.h"
#include "servers/support/accept.h"
#include "servers/support/blocking.h"
#include "servers/support/children.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* In the child. The buffer is the parent's until it is written to. */
static void serve_one(struct children *children, int fd, uint8_t *buffer)
{
    struct server *server = children->server;
    struct server_counters counters = {0};
    close(server->listen_fd);
    blocking_serve(server, fd, buffer, &counters);
    close(fd);
    counters.closed++;
    children_exit(children, &counters);
}

int tcp_fork_run(struct server *server)
{
    struct server_counters counters = {0};
    struct children children;
    uint8_t *buffer = malloc(server->options->buffer_bytes);
    int r = children_open(&children, server, server->max_clients);
    if (!buffer)
        r = -ENOMEM;
    if (r == 0)
        r = server_ready(server, NULL);

    while (r == 0) {
        int fd = accept_client(server, server->listen_fd, 0, &counters);
        if (fd == -EMFILE) {
            accept_rest();
            continue;
        }
        if (fd < 0) {
            r = fd;
            break;
        }
        if (accept_refuse(fd, children.count, server->max_clients, &counters))
            continue;
        pid_t pid = children_fork(&children);
        if (pid == 0)
            serve_one(&children, fd, buffer);
        close(fd);     /* the child has its own */
        if (pid < 0) { /* no room for a process */
            counters.closed++;
            counters.accept_pauses++;
            accept_rest();
        }
    }

    children_close(&children); /* after a stop each parts from its client */
    free(buffer);
    server_count(server, &counters);
    return r == -ECANCELED ? 0 : r;
}
