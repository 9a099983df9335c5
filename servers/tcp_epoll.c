/*
 * Event loop: one thread asks the kernel which of its clients are ready, and
 * does for each what can be done without waiting.
 *
 *     epoll_wait --> [recv --> send] for each ready client --.
 *         ^                                                  |
 *         '--------------------------------------------------'
 *
 * Ten thousand idle clients cost their descriptors and a little memory, and a
 * request costs no switch of threads while others are waiting. But nothing in
 * the loop may block: work that sleeps or computes holds everybody up, and one
 * thread uses one CPU.
 *
 * Edge-triggered: the kernel tells of changes, not of states. A client is
 * registered once, for both directions, and a read that did not fill the
 * buffer was the last one: the common request is one recv and one send.
 *
 * Compare with tcp_thread.c, where blocking is harmless, and with
 * tcp_uring_multishot.c, where the kernel tells of what it has already done.
 */
#include "servers/server.h"
#include "servers/support/clients.h"
#include "servers/support/stop.h"
#include "servers/support/ticker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_A_TURN 256
#define ACCEPTS_A_TURN 16
#define EVERYTHING (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* Told apart from clients by their addresses. */
static char the_listener, the_ticker, the_stop;

struct loop {
    struct server *server;
    struct clients clients;
    struct ticker ticker;
    int epoll_fd;
    bool resting; /* out of descriptors: nobody is accepted until a tick */
};

static int watch(struct loop *loop, int operation, int fd, uint32_t events,
                 void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    return epoll_ctl(loop->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

static void serve(struct loop *loop, struct client *client, uint32_t events)
{
    /* A FIN that came with the last bytes makes no further edge. */
    bool to_the_end = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    switch (client_serve(&loop->clients, client, to_the_end)) {
    case CLIENT_WAITS:
        break;
    case CLIENT_READY: /* setting the events anew makes an edge */
        watch(loop, EPOLL_CTL_MOD, client->fd, EVERYTHING, client);
        break;
    case CLIENT_DONE:
        clients_remove(&loop->clients, client);
        break;
    }
}

/* With no events: a rest from accepting. */
static int listen_for(struct loop *loop, uint32_t events)
{
    loop->resting = events == 0;
    return watch(loop, EPOLL_CTL_MOD, loop->server->listen_fd, events,
                 &the_listener);
}

static int accept_some(struct loop *loop)
{
    struct clients *clients = &loop->clients;
    struct client *client;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int r = clients_accept(clients, loop->server->listen_fd, &client);
        if (r == -EMFILE) { /* without a rest the loop would spin on it */
            ticker_rest(&loop->ticker);
            return listen_for(loop, 0);
        }
        if (r < 0)
            return r == -EAGAIN ? 0 : r;
        if (watch(loop, EPOLL_CTL_ADD, client->fd, EVERYTHING, client) < 0)
            clients_remove(clients, client);
    }
    return 0;
}

static void begin_drain(struct loop *loop)
{
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, stop_event_fd(), NULL);
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->server->listen_fd, NULL);
    loop->resting = false;
    ticker_drain(&loop->ticker);
}

static int loop_open(struct loop *loop, struct server *server)
{
    *loop = (struct loop){.server = server, .ticker.fd = -1};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0 || fcntl(server->listen_fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    int r = clients_init(&loop->clients, server);
    if (r == 0)
        r = ticker_open(&loop->ticker, &loop->clients);
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, server->listen_fd, EPOLLIN,
                  &the_listener);
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, stop_event_fd(), EPOLLIN, &the_stop);
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, loop->ticker.fd, EPOLLIN, &the_ticker);
    return r;
}

/* One wait and what it told of. */
static int turn(struct loop *loop)
{
    struct epoll_event events[EVENTS_A_TURN];
    int r = 0;
    bool tick = false;
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_A_TURN, -1);
    if (count < 0 && errno != EINTR)
        r = -errno;
    for (int i = 0; i < count && r == 0; i++) {
        void *what = events[i].data.ptr;
        if (what == &the_listener)
            r = loop->ticker.draining ? 0 : accept_some(loop);
        else if (what == &the_ticker)
            tick = true; /* later: it removes clients, who may be in here */
        else if (what == &the_stop)
            begin_drain(loop);
        else
            serve(loop, what, events[i].events);
    }
    if (tick)
        ticker_tick(&loop->ticker, &loop->clients);
    if (tick && r == 0 && loop->resting)
        r = listen_for(loop, EPOLLIN);
    return r;
}

int tcp_epoll_run(struct server *server)
{
    struct loop loop;
    int r = loop_open(&loop, server);
    if (r == 0)
        r = server_ready(server, NULL);
    while (r == 0 && !loop.ticker.over &&
           !(loop.ticker.draining && loop.clients.count == 0))
        r = turn(&loop);

    server_count(server, &loop.clients.counters);
    clients_done(&loop.clients);
    ticker_close(&loop.ticker);
    if (loop.epoll_fd >= 0)
        close(loop.epoll_fd);
    return r;
}
