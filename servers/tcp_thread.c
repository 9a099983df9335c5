/*
 * Thread per client: the main thread accepts, and every client gets a thread
 * that serves it as the iterative server would.
 *
 *     main:    accept --> pthread_create --> accept --> ...
 *     thread:      recv <--> send --> close
 *     thread:      recv <--> send --> close
 *
 * The code stays that of one client, and a client that waits, or whose work
 * sleeps, holds nobody else up. Each costs a stack, a buffer and a start of
 * some 20 us, and every request two switches of context when CPUs are shared;
 * a thousand are the limit here.
 *
 * Compare with tcp_fork.c, where a client cannot harm the others, and with
 * tcp_select.c, where one thread has all the clients.
 */
#include "servers/server.h"
#include "servers/support/accept.h"
#include "servers/support/blocking.h"
#include "servers/support/stop.h"
#include "servers/support/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void serve_one(void *context, int fd)
{
    struct server *server = context;
    struct server_counters counters = {0};
    uint8_t *buffer = malloc(server->options->buffer_bytes);
    if (buffer)
        blocking_serve(server, fd, buffer, &counters);
    free(buffer);
    close(fd);
    counters.closed++;
    server_count(server, &counters);
}

int tcp_thread_run(struct server *server)
{
    struct server_counters counters = {0};
    struct threads threads;
    threads_init(&threads, server, serve_one);
    int r = server_ready(server, NULL);

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
        if (accept_refuse(fd, threads_count(&threads), server->max_clients,
                          &counters))
            continue;
        if (threads_start(&threads, fd) < 0) { /* no room for a thread */
            close(fd);
            counters.closed++;
            counters.accept_pauses++;
            accept_rest();
        }
    }

    threads_join(&threads); /* after a stop each parts from its client */
    server_count(server, &counters);
    return r == -ECANCELED ? 0 : r;
}
