/*
 * Event loop, on datagrams: sleep until datagrams wait, then answer until none
 * is left.
 *
 *     epoll_wait --> [recvfrom --> sendto] until EAGAIN --.
 *         ^                                               |
 *         '-----------------------------------------------'
 *
 * One socket holds all the clients, so there is nothing to choose from: the
 * loop costs a call more than the iterative server whenever it runs dry. It
 * earns that as soon as it waits for other things too: here the stop, in real
 * servers timers, other sockets and answers from elsewhere.
 *
 * Compare with udp_iterative.c, and with tcp_epoll.c, where each client has a
 * socket of its own.
 */
#include "servers/server.h"
#include "servers/support/datagram.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define DATAGRAMS_A_TURN 64

/* -EAGAIN when none is left, 0 when there may be more, else -errno. */
static int answer_waiting(struct server *server, uint8_t *buffer,
                          struct server_counters *counters)
{
    for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
        struct sockaddr_storage source;
        socklen_t length = sizeof source;
        source.ss_family = AF_UNSPEC; /* nobody, unless it is filled in */
        ssize_t n = recvfrom(server->listen_fd, buffer, DATAGRAM_BYTES_MAX,
                             MSG_DONTWAIT | MSG_TRUNC,
                             (struct sockaddr *)&source, &length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (datagram_is_end(n, length))
            return -EAGAIN;
        datagram_answer(server, server->listen_fd, buffer, (size_t)n, &source,
                        length, counters);
    }
    return 0;
}

static int watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int udp_epoll_run(struct server *server)
{
    struct server_counters counters = {0};
    uint8_t *buffer = malloc(DATAGRAM_BYTES_MAX);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int r = epoll_fd < 0 ? -errno : 0;
    if (!buffer)
        r = -ENOMEM;
    if (r == 0)
        r = watch(epoll_fd, server->listen_fd);
    if (r == 0)
        r = watch(epoll_fd, stop_event_fd());
    if (r == 0)
        r = server_ready(server, NULL);

    while (r == 0 && !stop_requested()) {
        struct epoll_event events[2];
        int count = epoll_wait(epoll_fd, events, 2, -1);
        if (count < 0 && errno != EINTR)
            r = -errno;
        if (count > 0 && r == 0)
            r = answer_waiting(server, buffer, &counters);
        if (r == -EAGAIN)
            r = 0;
    }
    if (r == 0)
        datagram_drain(server, server->listen_fd, buffer, &counters);

    counters.socket_drops = datagram_socket_drops(server->listen_fd);
    if (epoll_fd >= 0)
        close(epoll_fd);
    free(buffer);
    server_count(server, &counters);
    return r;
}
