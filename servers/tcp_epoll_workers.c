/*
 * An event loop for each CPU: --workers threads that share nothing but a port.
 *
 *     listener 1 --> epoll_wait --> [recv --> send] ... in thread 1
 *     listener 2 --> epoll_wait --> [recv --> send] ... in thread 2
 *
 * Every thread has a listening socket of its own (SO_REUSEPORT) and the kernel
 * deals new clients out among them by a hash of their addresses; from then on a
 * client stays with its thread, so no request takes a lock. Work in one loop
 * holds up that loop's clients only. But the hash knows nothing of load: few
 * clients spread unevenly, and one thread may idle while another is behind.
 * With --steer cpu the CPU that a client's packets arrive on decides, not the
 * hash: it is then served there, and its bytes never change caches.
 *
 * Compare with tcp_epoll.c, which is one of these loops, and with
 * tcp_prefork.c, where whoever is free takes the next client.
 */
#include "servers/server.h"
#include "servers/support/epoll_loop.h"
#include "servers/support/workers.h"

#include <errno.h>

static void serve(struct epoll_loop *loop, struct client *client)
{
    const bool wanted_out = client_wants_out(client);
    if (client_serve(&loop->clients, client, false) == CLIENT_DONE) {
        clients_remove(&loop->clients, client);
        return;
    }
    const bool wants_out = client_wants_out(client);
    if (wants_out != wanted_out)
        epoll_loop_watch(loop, client, wants_out ? EPOLLOUT : EPOLLIN);
}

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

/* In a thread of its own. The one thing asked of the others, and only when a
 * client comes or goes: how many clients there are. */
static int run_worker(struct worker *worker)
{
    struct epoll_loop loop;
    int r = epoll_loop_open(&loop, worker->server, worker->listen_fd, EPOLLIN);
    loop.clients.shared_count = worker->clients_now;
    loop.worker = worker->index;
    if (r == 0)
        r = worker_ready(worker, NULL);
    while (r == 0 && epoll_loop_goes_on(&loop))
        r = turn(&loop);
    epoll_loop_close(&loop);
    return r;
}

int tcp_epoll_workers_run(struct server *server)
{
    return workers_run(server, run_worker);
}
