/*
 * A child for each datagram: the parent receives, forks, and goes on.
 *
 *     parent: recvfrom --> fork --.        child: sendto --> exit
 *                 ^               |
 *                 '---------------'
 *
 * A request that sleeps holds nobody up, and one that crashes takes nobody with
 * it. The price is a process for every datagram, many times the work of
 * answering it, and replies that may overtake one another. A flood of datagrams
 * must not become a flood of processes: at most --max-clients live at a time,
 * then the parent waits, and datagrams wait in the socket or are lost.
 *
 * Compare with udp_iterative.c, with udp_threads.c, and with tcp_fork.c, where
 * a child lasts as long as its client's connection.
 */
#include "servers/server.h"
#include "servers/support/children.h"
#include "servers/support/datagram.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <stdlib.h>

struct datagram {
    struct sockaddr_storage source;
    socklen_t source_length;
    size_t length;
    uint8_t data[DATAGRAM_BYTES_MAX];
};

static void answer(const struct server *server, struct datagram *datagram,
                   struct server_counters *counters)
{
    datagram_answer_later(server, server->listen_fd, datagram->data,
                          datagram->length, &datagram->source,
                          datagram->source_length, counters);
}

/* True when there is one. The end of a child interrupts, too. */
static bool receive(const struct server *server, struct datagram *datagram,
                    int *ret_error)
{
    datagram->source_length = sizeof datagram->source;
    datagram->source.ss_family = AF_UNSPEC; /* until it is filled in */
    ssize_t n = recvfrom(
        server->listen_fd, datagram->data, sizeof datagram->data, MSG_TRUNC,
        (struct sockaddr *)&datagram->source, &datagram->source_length);
    if (n < 0 && errno != EINTR)
        *ret_error = -errno;
    if (n < 0 || datagram_is_end(n, datagram->source_length))
        return false;
    datagram->length = (size_t)n;
    datagram_arrived(server);
    return true;
}

int udp_fork_run(struct server *server)
{
    struct server_counters counters = {0};
    struct children children;
    struct datagram *datagram = malloc(sizeof *datagram);
    int r = children_open(&children, server, server->max_clients);
    if (!datagram)
        r = -ENOMEM;
    if (r == 0)
        r = server_ready(server, NULL);

    while (r == 0 && !stop_requested()) {
        if (!receive(server, datagram, &r))
            continue;
        children_wait(&children, server->max_clients);
        pid_t pid = children_fork(&children);
        if (pid == 0) {
            struct server_counters own = {0};
            answer(server, datagram, &own);
            children_exit(&children, &own);
        }
        if (pid < 0) { /* no room for a process, or none any more: a stop */
            counters.accept_pauses += !stop_requested();
            answer(server, datagram, &counters);
        }
    }
    if (r == 0)
        datagram_drain(server, server->listen_fd, datagram->data, &counters);

    children_close(&children); /* what has begun is finished */
    counters.socket_drops = datagram_socket_drops(server->listen_fd);
    free(datagram);
    server_count(server, &counters);
    return r;
}
