/*
 * Threads on one socket: several do what the iterative server does, each
 * blocked in the same recvfrom.
 *
 *                .-- recvfrom --> sendto --.
 *     socket --> |-- recvfrom --> sendto --|
 *                '-- recvfrom --> sendto --'
 *
 * The kernel gives a datagram to one of those that wait, so a request that
 * sleeps holds only its own thread up, and there is nothing to share out. But
 * two datagrams of one client may be answered in the wrong order, and all
 * threads meet at the one queue of the socket.
 *
 * Compare with udp_iterative.c, and with udp_reuseport.c, where each thread has
 * a queue of its own.
 */
#include "servers/server.h"
#include "servers/support/datagram.h"
#include "servers/support/stop.h"
#include "servers/support/workers.h"

#include <errno.h>
#include <stdlib.h>

static int serve(struct worker *worker)
{
    struct server *server = worker->server;
    const int fd = worker->listen_fd;
    struct server_counters counters = {0};
    uint8_t *buffer = malloc(DATAGRAM_BYTES_MAX);
    int r = buffer ? worker_ready(worker, NULL) : -ENOMEM;

    while (r == 0 && !stop_requested()) {
        struct sockaddr_storage source;
        socklen_t length = sizeof source;
        source.ss_family = AF_UNSPEC; /* nobody, unless it is filled in */
        ssize_t n = recvfrom(fd, buffer, DATAGRAM_BYTES_MAX, MSG_TRUNC,
                             (struct sockaddr *)&source, &length);
        if (n < 0 && errno != EINTR)
            r = -errno;
        if (n < 0 || datagram_is_end(n, length))
            continue;
        datagram_answer(server, fd, buffer, (size_t)n, &source, length,
                        &counters);
    }
    if (r == 0)
        datagram_drain(server, fd, buffer, &counters);

    if (worker->index == 0) /* of the one socket */
        counters.socket_drops = datagram_socket_drops(fd);
    free(buffer);
    server_count_worker(server, worker->index, &counters);
    return r;
}

int udp_threads_run(struct server *server)
{
    return workers_run(server, serve);
}
