/*
 * Event loop: one thread asks the kernel which of its clients are ready, and
 * does for each what can be done without waiting.
 *
 *     epoll_wait --> [recv --> send] for each ready client --.
 *         ^                                                  |
 *         '--------------------------------------------------'
 *
 * The kernel keeps the list of descriptors between calls and returns only those
 * that are ready, so ten thousand idle clients cost their descriptors and a
 * little memory. But nothing in the loop may block: work that sleeps or
 * computes holds everybody up, and one thread uses one CPU.
 *
 * Level-triggered: the kernel tells of states. As long as a client has input,
 * each wait says so again; nothing can be missed. Who is always able to take
 * bytes would be reported always, so room to send is asked for only while a
 * send was short.
 *
 * Compare with tcp_poll.c, which tells the kernel everything at each call, and
 * with tcp_epoll_et.c, where it tells of changes.
 */
#include "servers/server.h"
#include "servers/support/epoll_loop.h"

#include <errno.h>

static void serve(struct epoll_loop *loop, struct client *client)
{
    const bool wanted_out = client_wants_out(client);
    if (client_serve(&loop->clients, client, false) == CLIENT_DONE) {
        clients_remove(&loop->clients, client);
        return;
    }
    const bool wants_out = client_wants_out(client);
    if (wants_out != wanted_out) /* seldom: else this were a call a request */
        epoll_loop_watch(loop, client, wants_out ? EPOLLOUT : EPOLLIN);
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
            serve(loop, client);
    }
    return epoll_loop_own(loop);
}

int tcp_epoll_run(struct server *server)
{
    struct epoll_loop loop;
    int r = epoll_loop_open(&loop, server, server->listen_fd, EPOLLIN);
    if (r == 0)
        r = server_ready(server, NULL);
    while (r == 0 && epoll_loop_goes_on(&loop))
        r = turn(&loop);
    epoll_loop_close(&loop);
    return r;
}
