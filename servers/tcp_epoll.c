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
#include "servers/support/accept.h"
#include "servers/support/clients.h"
#include "servers/support/drain.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_A_TURN 256
#define ACCEPTS_A_TURN 16
#define TICK_NS 1000000000LL

struct loop {
    struct server *server;
    struct clients clients;
    struct drain drain;
    int epoll_fd;
    int timer_fd; /* a tick a second; sooner after a pause or in a drain */
    bool paused;  /* out of descriptors: nobody is accepted */
    bool draining;
    bool over;
};

static int watch(struct loop *loop, int operation, int fd, uint32_t events,
                 void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    return epoll_ctl(loop->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

static void set_timer(struct loop *loop, long long first_ns, long long every_ns)
{
    const struct itimerspec when = {
        .it_value = {first_ns / 1000000000, first_ns % 1000000000},
        .it_interval = {every_ns / 1000000000, every_ns % 1000000000},
    };
    timerfd_settime(loop->timer_fd, 0, &when, NULL);
}

static void serve(struct loop *loop, struct client *client, uint32_t events)
{
    const uint32_t everything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    /* A FIN that came with the last bytes makes no further edge. */
    bool to_the_end = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    switch (client_serve(&loop->clients, client, to_the_end)) {
    case CLIENT_WAITS:
        break;
    case CLIENT_READY: /* setting the events anew makes an edge */
        watch(loop, EPOLL_CTL_MOD, client->fd, everything, client);
        break;
    case CLIENT_DONE:
        clients_remove(&loop->clients, client);
        break;
    }
}

static int accept_some(struct loop *loop)
{
    const uint32_t everything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    struct clients *clients = &loop->clients;
    for (int i = 0; i < ACCEPTS_A_TURN && !loop->draining; i++) {
        int fd = accept_client(loop->server, loop->server->listen_fd,
                               SOCK_NONBLOCK, &clients->counters);
        if (fd == -EAGAIN || fd == -ECANCELED)
            return 0;
        if (fd == -EMFILE) { /* without a rest the loop would spin on it */
            loop->paused = true;
            set_timer(loop, ACCEPT_PAUSE_NS, TICK_NS);
            return watch(loop, EPOLL_CTL_MOD, loop->server->listen_fd, 0,
                         &loop->server);
        }
        if (fd < 0)
            return fd;
        if (accept_refuse(fd, clients->count, loop->server->max_clients,
                          &clients->counters))
            continue;
        struct client *client = clients_add(clients, fd);
        if (client && watch(loop, EPOLL_CTL_ADD, fd, everything, client) < 0)
            clients_remove(clients, client);
    }
    return 0;
}

static int begin_drain(struct loop *loop)
{
    loop->draining = true;
    set_timer(loop, STOP_POKE_NS, STOP_POKE_NS);
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, stop_event_fd(), NULL);
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->server->listen_fd, NULL);
    return 0;
}

static int on_tick(struct loop *loop)
{
    const uint64_t now_ns = drain_now_ns();
    struct clients *clients = &loop->clients;
    uint64_t expirations;
    ssize_t n = read(loop->timer_fd, &expirations, sizeof expirations);
    (void)n; /* only makes it unreadable; the clock tells the time */
    clients->tick = (uint32_t)(now_ns / 1000000000);
    clients_drop_idle(clients);
    if (loop->draining) {
        enum drain_phase phase =
            drain_step(&loop->drain, now_ns, clients->counters.reads);
        if (phase == DRAIN_FINISH)
            clients_finish(clients);
        loop->over = phase == DRAIN_OVER;
    } else if (loop->paused) {
        loop->paused = false;
        return watch(loop, EPOLL_CTL_MOD, loop->server->listen_fd, EPOLLIN,
                     &loop->server);
    }
    return 0;
}

static int loop_open(struct loop *loop, struct server *server)
{
    memset(loop, 0, sizeof *loop);
    loop->server = server;
    loop->epoll_fd = -1;
    loop->timer_fd = -1;
    int r = clients_init(&loop->clients, server);
    if (r < 0)
        return r;
    loop->clients.tick = (uint32_t)(drain_now_ns() / 1000000000);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0)
        return -errno;
    set_timer(loop, TICK_NS, TICK_NS);
    r = fcntl(server->listen_fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, server->listen_fd, EPOLLIN,
                  &loop->server);
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, stop_event_fd(), EPOLLIN,
                  &loop->draining);
    if (r == 0)
        r = watch(loop, EPOLL_CTL_ADD, loop->timer_fd, EPOLLIN,
                  &loop->timer_fd);
    return r;
}

int tcp_epoll_run(struct server *server)
{
    struct epoll_event events[EVENTS_A_TURN];
    struct loop loop;
    int r = loop_open(&loop, server);
    if (r == 0)
        r = server_ready(server, NULL);

    while (r == 0 && !loop.over && !(loop.draining && !loop.clients.count)) {
        bool tick = false;
        int count = epoll_wait(loop.epoll_fd, events, EVENTS_A_TURN, -1);
        if (count < 0 && errno != EINTR)
            r = -errno;
        for (int i = 0; i < count && r == 0; i++) {
            void *what = events[i].data.ptr;
            if (what == &loop.server)
                r = accept_some(&loop);
            else if (what == &loop.draining)
                r = begin_drain(&loop);
            else if (what == &loop.timer_fd)
                tick = true; /* last: it removes clients, who may be in here */
            else
                serve(&loop, what, events[i].events);
        }
        if (tick && r == 0)
            r = on_tick(&loop);
    }

    server_count(server, &loop.clients.counters);
    clients_done(&loop.clients);
    if (loop.epoll_fd >= 0)
        close(loop.epoll_fd);
    if (loop.timer_fd >= 0)
        close(loop.timer_fd);
    return r;
}
