/*
 * Iterative, on datagrams: receive one, answer it, receive the next.
 *
 *     recvfrom --> sendto --.
 *         ^                 |
 *         '-----------------'
 *
 * There is no connection, so nobody can hold the server: each datagram names
 * its sender, and clients take turns by themselves. For short work this is
 * hard to beat. While one request sleeps, all others wait in the socket's
 * buffer, and what does not fit there is lost without a word.
 *
 * Compare with tcp_iterative.c, and with udp_epoll.c.
 */
#include "servers/server.h"
#include "servers/support/datagram.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <stdlib.h>

int udp_iterative_run(struct server *server)
{
    struct server_counters counters = {0};
    uint8_t *buffer = malloc(DATAGRAM_BYTES_MAX);
    int r = buffer ? server_ready(server, NULL) : -ENOMEM;

    while (r == 0 && !stop_requested()) {
        struct sockaddr_storage source;
        socklen_t length = sizeof source;
        source.ss_family = AF_UNSPEC; /* nobody, unless it is filled in */
        ssize_t n = recvfrom(server->listen_fd, buffer, DATAGRAM_BYTES_MAX,
                             MSG_TRUNC, (struct sockaddr *)&source, &length);
        if (n < 0 && errno != EINTR)
            r = -errno;
        if (n < 0 || datagram_is_end(n, length))
            continue;
        datagram_answer(server, server->listen_fd, buffer, (size_t)n, &source,
                        length, &counters);
    }
    if (r == 0)
        datagram_drain(server, server->listen_fd, buffer, &counters);

    counters.socket_drops = datagram_socket_drops(server->listen_fd);
    free(buffer);
    server_count(server, &counters);
    return r;
}
