/*
 * Event loop, edge-triggered: the kernel tells of changes, not of states.
 *
 *     epoll_wait --> [recv --> send] until there is no more --.
 *         ^                                                   |
 *         '---------------------------------------------------'
 *
 * A client is registered once, for both directions, and never again: a short
 * send needs no call to ask for room. The price is care. What is left unread is
 * not told of again, so a client must be read until it has no more; a read that
 * did not fill the buffer was the last one, which spares the recv that would
 * only say so. A FIN that came with the last bytes makes no further edge, hence
 * EPOLLRDHUP. And one client that always has more must not starve the others:
 * its turn ends, and setting its events anew makes a new edge.
 *
 * Compare with tcp_epoll.c: the same loop, told of states.
 */
#include "servers/server.h"
#include "servers/support/epoll_loop.h"

#include <errno.h>

#define EVERYTHING (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static void serve(struct epoll_loop *loop, struct client *client,
                  uint32_t events)
{
    bool to_the_end = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    switch (client_serve(&loop->clients, client, to_the_end)) {
    case CLIENT_WAITS:
        break;
    case CLIENT_READY:
        epoll_loop_watch(loop, client, EVERYTHING);
        break;
    case CLIENT_DONE:
        clients_remove(&loop->clients, client);
        break;
    }
}

/* One wait and what it told of. */
static int turn(struct epoll_loop *loop)
{
    struct epoll_event events[EPOLL_LOOP_EVENTS];
    int count = epoll_wait(loop->fd, events, EPOLL_LOOP_EVENTS, -1);
    if (count < 0 && errno != EINTR)
        return -errno;
    for (int i = 0; i < count; i++) {
        struct client *client = epoll_loop_client(loop, &events[i]);
        if (client)
            serve(loop, client, events[i].events);
    }
    return epoll_loop_own(loop);
}

int tcp_epoll_et_run(struct server *server)
{
    struct epoll_loop loop;
    int r = epoll_loop_open(&loop, server, server->listen_fd, EVERYTHING);
    if (r == 0)
        r = server_ready(server, NULL);
    while (r == 0 && epoll_loop_goes_on(&loop))
        r = turn(&loop);
    epoll_loop_close(&loop);
    return r;
}
