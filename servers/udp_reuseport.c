/*
 * A socket for each thread, all on one port (SO_REUSEPORT): the kernel shares
 * the clients out.
 *
 *                .--> socket --> recvfrom --> sendto
 *     port ------|--> socket --> recvfrom --> sendto
 *       by hash  '--> socket --> recvfrom --> sendto
 *
 * The kernel chooses the socket by a hash over both addresses and ports, so a
 * client meets the same thread each time: its datagrams stay in order, and
 * threads share neither queue nor lock. The price is the dice: with few clients
 * one thread may get them all while another sleeps, and a request that sleeps
 * holds up the clients of its thread. With --steer cpu no dice are thrown: a
 * datagram goes to the thread on the CPU that it arrived on.
 *
 * Compare with udp_threads.c, where whoever is free takes the next datagram,
 * and with tcp_epoll.c, whose clients could be shared out in the same way.
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
    const int fd = worker->listen_fd; /* its own */
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

    counters.socket_drops = datagram_socket_drops(fd);
    free(buffer);
    server_count_worker(server, worker->index, &counters);
    return r;
}

int udp_reuseport_run(struct server *server)
{
    return workers_run(server, serve);
}
