/*
 * poll: one thread hands the kernel the list of all its clients, and gets the
 * list back with those marked that are ready.
 *
 *     poll(all) --> look at each --> [recv --> send] for those marked --.
 *         ^                                                             |
 *         '-------------------------------------------------------------'
 *
 * Any descriptor will do, unlike with select, and the list is kept from call to
 * call. But every call copies it in, asks each client and copies it out, and
 * then the loop looks at each: with ten thousand clients of whom one speaks,
 * that is ten thousand steps for its one request.
 *
 * Compare with tcp_select.c before it, and with tcp_epoll.c, where the kernel
 * keeps the list.
 */
#include "servers/server.h"
#include "servers/support/clients.h"
#include "servers/support/stop.h"
#include "servers/support/ticker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#define ACCEPTS_A_TURN 16

/* The first places of the list; the clients come after, in their order. */
enum place {
    LISTENER,
    STOP,
    TICKER,
    CLIENTS
};

struct loop {
    struct server *server;
    struct clients clients;
    struct ticker ticker;
    struct pollfd *list;
    size_t capacity;
    bool resting; /* out of descriptors: nobody is accepted until a tick */
};

static short events_of(const struct client *client)
{
    return client_wants_out(client) ? POLLOUT : POLLIN;
}

/* Room for one more client. */
static int grow(struct loop *loop)
{
    if (loop->clients.count + CLIENTS < loop->capacity)
        return 0;
    size_t capacity = loop->capacity ? 2 * loop->capacity : 64;
    struct pollfd *list =
        reallocarray(loop->list, capacity, sizeof(struct pollfd));
    if (!list)
        return -ENOMEM;
    loop->list = list;
    loop->capacity = capacity;
    return 0;
}

/* A negative descriptor is passed over. */
static void list_clients(struct loop *loop)
{
    const bool accepts = !loop->resting && !loop->ticker.draining;
    loop->list[LISTENER].fd = accepts ? loop->server->listen_fd : -1;
    loop->list[STOP].fd = loop->ticker.draining ? -1 : stop_event_fd();
    loop->list[TICKER].fd = loop->ticker.fd;
    for (int i = 0; i < CLIENTS; i++)
        loop->list[i].events = POLLIN;
    for (size_t i = 0; i < loop->clients.count; i++) {
        const struct client *client = loop->clients.all[i];
        loop->list[CLIENTS + i].fd = client->fd;
        loop->list[CLIENTS + i].events = events_of(client);
    }
}

static int accept_some(struct loop *loop)
{
    struct client *client;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int r = grow(loop);
        if (r == 0)
            r = clients_accept(&loop->clients, loop->server->listen_fd,
                               &client);
        if (r == -EMFILE || r == -ENOMEM) { /* else the loop would spin */
            ticker_rest(&loop->ticker);
            loop->resting = true;
            loop->list[LISTENER].fd = -1;
            return 0;
        }
        if (r < 0)
            return r == -EAGAIN ? 0 : r;
        loop->list[CLIENTS + client->index] =
            (struct pollfd){.fd = client->fd, .events = events_of(client)};
    }
    return 0;
}

/* Serves the client in place i. */
static void serve(struct loop *loop, size_t i)
{
    struct client *client = loop->clients.all[i];
    if (client_serve(&loop->clients, client, false) != CLIENT_DONE) {
        loop->list[CLIENTS + i].events = events_of(client);
        return;
    }
    clients_remove(&loop->clients, client); /* the last one takes its place */
    loop->list[CLIENTS + i] = loop->list[CLIENTS + loop->clients.count];
}

/* One wait and what it told of. */
static int turn(struct loop *loop)
{
    int r = 0;
    int left = poll(loop->list, CLIENTS + loop->clients.count, -1);
    if (left < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < CLIENTS; i++)
        left -= loop->list[i].revents != 0;
    /* Backwards: who takes the place of one that is gone was looked at. */
    for (size_t i = loop->clients.count; i-- > 0 && left > 0;) {
        if (loop->list[CLIENTS + i].revents == 0)
            continue;
        left--;
        serve(loop, i);
    }
    if (loop->list[LISTENER].revents)
        r = accept_some(loop);
    if (loop->list[STOP].revents)
        ticker_drain(&loop->ticker);
    if (loop->list[TICKER].revents) {
        loop->resting = false;
        ticker_tick(&loop->ticker, &loop->clients);
    }
    if (loop->list[STOP].revents || loop->list[TICKER].revents)
        list_clients(loop); /* any of them may be gone */
    return r;
}

int tcp_poll_run(struct server *server)
{
    struct loop loop = {.server = server, .ticker.fd = -1};
    int r = clients_init(&loop.clients, server);
    if (r == 0)
        r = ticker_open(&loop.ticker, &loop.clients);
    if (r == 0)
        r = grow(&loop);
    if (r == 0 && fcntl(server->listen_fd, F_SETFL, O_NONBLOCK) < 0)
        r = -errno;
    if (r == 0) {
        list_clients(&loop);
        r = server_ready(server, NULL);
    }
    while (r == 0 && !loop.ticker.over &&
           !(loop.ticker.draining && loop.clients.count == 0))
        r = turn(&loop);

    clients_done(&loop.clients);
    server_count(server, &loop.clients.counters);
    ticker_close(&loop.ticker);
    free(loop.list);
    return r;
}
