/*
 * Iterative: one client is served from its first byte to its last, then the
 * next one.
 *
 *     accept --> recv <--> send --> close --.
 *        ^                                  |
 *        '----------------------------------'
 *
 * Costs nothing beside the calls themselves: no thread, no table, one buffer.
 * With a single client nothing is faster. But everybody else waits in the
 * backlog, connected and unanswered, for as long as that client likes to stay;
 * one that falls silent holds all of them up until the idle timeout.
 *
 * Compare with tcp_fork.c, where the one that waits is a process of its own.
 */
#include "servers/server.h"
#include "servers/support/accept.h"
#include "servers/support/blocking.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int tcp_iterative_run(struct server *server)
{
    struct server_counters counters = {0};
    uint8_t *buffer = malloc(server->options->buffer_bytes);
    int r = buffer ? server_ready(server, NULL) : -ENOMEM;

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
        counters.accepted++;
        blocking_serve(server, fd, buffer, &counters);
        close(fd);
        counters.closed++;
    }

    free(buffer);
    server_count(server, &counters);
    return r == -ECANCELED ? 0 : r;
}
