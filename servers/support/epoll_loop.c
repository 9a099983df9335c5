#include "servers/support/epoll_loop.h"

#include "servers/support/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 16
#define BIT(what) (1u << (what))

/* Told apart from clients by their addresses. */
enum what {
    LISTENER,
    TICKER,
    STOP,
    WHATS
};
static char own[WHATS];

static int watch(struct epoll_loop *loop, int operation, int fd,
                 uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    return epoll_ctl(loop->fd, operation, fd, &event) < 0 ? -errno : 0;
}

int epoll_loop_open(struct epoll_loop *loop, struct server *server,
                    int listen_fd, uint32_t events)
{
    memset(loop, 0, sizeof *loop);
    loop->server = server;
    loop->listen_fd = listen_fd;
    loop->events = events;
    loop->ticker.fd = -1;
    loop->fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->fd < 0 || fcntl(listen_fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    int r = clients_init(&loop->clients, server);
    if (r == 0)
        r = ticker_open(&loop->ticker, &loop->clients);
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, listen_fd, EPOLLIN, &own[LISTENER]);
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, stop_event_fd(), EPOLLIN, &own[STOP]);
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, loop->ticker.fd, EPOLLIN, &own[TICKER]);
    return r;
}

void epoll_loop_close(struct epoll_loop *loop)
{
    clients_done(&loop->clients);
    server_count_worker(loop->server, loop->worker, &loop->clients.counters);
    ticker_close(&loop->ticker);
    if (loop->fd >= 0)
        close(loop->fd);
    loop->fd = -1;
}

bool epoll_loop_goes_on(const struct epoll_loop *loop)
{
    if (loop->ticker.over)
        return false;
    return !loop->ticker.draining || loop->clients.count > 0;
}

struct client *epoll_loop_client(struct epoll_loop *loop,
                                 const struct epoll_event *event)
{
    for (unsigned i = 0; i < WHATS; i++) {
        if (event->data.ptr == &own[i]) {
            loop->noted |= BIT(i);
            return NULL;
        }
    }
    return event->data.ptr;
}

void epoll_loop_watch(struct epoll_loop *loop, struct client *client,
                      uint32_t events)
{
    watch(loop, EPOLL_CTL_MOD, client->fd, events, client);
}

/* With no events: a rest from accepting. */
static int listen_for(struct epoll_loop *loop, uint32_t events)
{
    loop->resting = events == 0;
    return watch(loop, EPOLL_CTL_MOD, loop->listen_fd, events, &own[LISTENER]);
}

static int accept_some(struct epoll_loop *loop)
{
    struct clients *clients = &loop->clients;
    struct client *client;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int r = clients_accept(clients, loop->listen_fd, &client);
        if (r == -EMFILE) { /* without a rest the loop would spin on it */
            ticker_rest(&loop->ticker);
            return listen_for(loop, 0);
        }
        if (r < 0)
            return r == -EAGAIN ? 0 : r;
        if (watch(loop, EPOLL_CTL_ADD, client->fd, loop->events, client) < 0)
            clients_remove(clients, client);
    }
    return 0;
}

static void begin_drain(struct epoll_loop *loop)
{
    epoll_ctl(loop->fd, EPOLL_CTL_DEL, stop_event_fd(), NULL);
    epoll_ctl(loop->fd, EPOLL_CTL_DEL, loop->listen_fd, NULL);
    loop->resting = false;
    ticker_drain(&loop->ticker);
}

int epoll_loop_own(struct epoll_loop *loop)
{
    const unsigned noted = loop->noted;
    int r = 0;
    loop->noted = 0;
    if (noted & BIT(LISTENER) && !loop->ticker.draining)
        r = accept_some(loop);
    if (noted & BIT(STOP))
        begin_drain(loop);
    if (noted & BIT(TICKER)) {
        ticker_tick(&loop->ticker, &loop->clients);
        if (r == 0 && loop->resting)
            r = listen_for(loop, EPOLLIN);
    }
    return r;
}
