/*
 * select: one thread asks the kernel about a set of descriptors, and gets the
 * set back with those that are ready.
 *
 *     make the sets --> select --> [recv --> send] for each that is in --.
 *         ^                                                              |
 *         '--------------------------------------------------------------'
 *
 * The oldest way (BSD 4.2, 1983) for one thread to have many clients, and there
 * on every system. A set is a bit for each descriptor from 0 up, and there are
 * FD_SETSIZE bits: descriptor 1024 does not fit, and FD_SET with it writes over
 * whatever lies behind. Such clients are refused here. The kernel writes its
 * answer into the sets, so they are made anew for each call, and it looks at
 * every bit below the highest descriptor.
 *
 * Compare with tcp_thread.c, where waiting is left to threads, and with
 * tcp_poll.c, which lifts the limit.
 */
#include "servers/server.h"
#include "servers/support/clients.h"
#include "servers/support/stop.h"
#include "servers/support/ticker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/select.h>

#define ACCEPTS_A_TURN 16

struct loop {
    struct server *server;
    struct clients clients;
    struct ticker ticker;
    fd_set in, out;
    int end;      /* one more than the highest descriptor in a set */
    bool resting; /* out of descriptors: nobody is accepted until a tick */
};

static void ask(struct loop *loop, int fd, fd_set *set)
{
    FD_SET(fd, set);
    if (fd >= loop->end)
        loop->end = fd + 1;
}

static void make_sets(struct loop *loop)
{
    FD_ZERO(&loop->in);
    FD_ZERO(&loop->out);
    loop->end = 0;
    ask(loop, loop->ticker.fd, &loop->in);
    if (!loop->ticker.draining)
        ask(loop, stop_event_fd(), &loop->in);
    if (!loop->ticker.draining && !loop->resting)
        ask(loop, loop->server->listen_fd, &loop->in);
    for (size_t i = 0; i < loop->clients.count; i++) {
        const struct client *client = loop->clients.all[i];
        ask(loop, client->fd,
            client_wants_out(client) ? &loop->out : &loop->in);
    }
}

static int accept_some(struct loop *loop)
{
    struct client *client;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int r =
            clients_accept(&loop->clients, loop->server->listen_fd, &client);
        if (r == -EMFILE) { /* without a rest the loop would spin on it */
            ticker_rest(&loop->ticker);
            loop->resting = true;
            return 0;
        }
        if (r < 0)
            return r == -EAGAIN ? 0 : r;
    }
    return 0;
}

static void serve(struct loop *loop, struct client *client)
{
    if (client_serve(&loop->clients, client, false) == CLIENT_DONE)
        clients_remove(&loop->clients, client);
}

/* One wait and what it told of. */
static int turn(struct loop *loop)
{
    int r = 0;
    make_sets(loop);
    int left = select(loop->end, &loop->in, &loop->out, NULL, NULL);
    if (left < 0)
        return errno == EINTR ? 0 : -errno;
    /* Taken now: a client may get the number of one that is closed. */
    const bool tick = FD_ISSET(loop->ticker.fd, &loop->in);
    const bool stop = FD_ISSET(stop_event_fd(), &loop->in);
    const bool come = FD_ISSET(loop->server->listen_fd, &loop->in);
    left -= tick + stop + come;
    /* Backwards: removing puts the last one, already seen, into the gap. */
    for (size_t i = loop->clients.count; i-- > 0 && left > 0;) {
        struct client *client = loop->clients.all[i];
        if (!FD_ISSET(client->fd, &loop->in) &&
            !FD_ISSET(client->fd, &loop->out))
            continue;
        left--;
        serve(loop, client);
    }
    if (come)
        r = accept_some(loop);
    if (stop)
        ticker_drain(&loop->ticker);
    if (tick) {
        loop->resting = false;
        ticker_tick(&loop->ticker, &loop->clients);
    }
    return r;
}

int tcp_select_run(struct server *server)
{
    struct loop loop = {.server = server, .ticker.fd = -1};
    int r = clients_init(&loop.clients, server);
    loop.clients.fd_end = FD_SETSIZE;
    if (r == 0)
        r = ticker_open(&loop.ticker, &loop.clients);
    if (r == 0 && fcntl(server->listen_fd, F_SETFL, O_NONBLOCK) < 0)
        r = -errno;
    if (r == 0 &&
        (server->listen_fd >= FD_SETSIZE || stop_event_fd() >= FD_SETSIZE ||
         loop.ticker.fd >= FD_SETSIZE))
        r = -EMFILE; /* too many descriptors were inherited */
    if (r == 0)
        r = server_ready(server, NULL);
    while (r == 0 && !loop.ticker.over &&
           !(loop.ticker.draining && loop.clients.count == 0))
        r = turn(&loop);

    clients_done(&loop.clients);
    server_count(server, &loop.clients.counters);
    ticker_close(&loop.ticker);
    return r;
}
