#include "servers/support/ticker.h"

#include "servers/support/accept.h"
#include "servers/support/stop.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICK_NS 1000000000LL

static void set(struct ticker *ticker, long long first_ns, long long every_ns)
{
    const struct itimerspec when = {
        .it_value = {first_ns / 1000000000, first_ns % 1000000000},
        .it_interval = {every_ns / 1000000000, every_ns % 1000000000},
    };
    timerfd_settime(ticker->fd, 0, &when, NULL);
}

int ticker_open(struct ticker *ticker, struct clients *clients)
{
    *ticker = (struct ticker){.fd = -1};
    ticker->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (ticker->fd < 0)
        return -errno;
    set(ticker, TICK_NS, TICK_NS);
    clients->tick = (uint32_t)(drain_now_ns() / 1000000000);
    return 0;
}

void ticker_close(struct ticker *ticker)
{
    if (ticker->fd >= 0)
        close(ticker->fd);
    ticker->fd = -1;
}

void ticker_rest(struct ticker *ticker)
{
    set(ticker, ACCEPT_PAUSE_NS, TICK_NS);
}

void ticker_drain(struct ticker *ticker)
{
    ticker->draining = true;
    set(ticker, STOP_POKE_NS, STOP_POKE_NS);
}

void ticker_tick(struct ticker *ticker, struct clients *clients)
{
    const uint64_t now_ns = drain_now_ns();
    uint64_t expirations;
    ssize_t n = read(ticker->fd, &expirations, sizeof expirations);
    (void)n; /* only makes it unreadable; the clock tells the time */
    clients->tick = (uint32_t)(now_ns / 1000000000);
    clients_drop_idle(clients);
    if (!ticker->draining)
        return;
    enum drain_phase phase =
        drain_step(&ticker->drain, now_ns, clients->counters.reads);
    if (phase == DRAIN_FINISH)
        clients_finish(clients);
    ticker->over = phase == DRAIN_OVER;
}
