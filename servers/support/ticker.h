/* The time of an epoll loop: a tick a second, rests from accepting, the drain.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_TICKER_H
#define SOCKBENCH_SERVERS_SUPPORT_TICKER_H

#include "servers/support/clients.h"
#include "servers/support/drain.h"

struct ticker {
    int fd; /* a timerfd: readable when ticker_tick is to be called */
    struct drain drain;
    bool draining;
    bool over; /* the drain's time is up */
};

/* 0 or -errno. */
int ticker_open(struct ticker *ticker, struct clients *clients);
void ticker_close(struct ticker *ticker);

/* The next tick comes in 100 ms: nobody can be accepted before. */
void ticker_rest(struct ticker *ticker);

/* Ticks every 20 ms from here on, until the clients are gone. */
void ticker_drain(struct ticker *ticker);

/* Moves the clients' time on; removes the silent and the stuck, and in a drain
 * parts from those that are left. */
void ticker_tick(struct ticker *ticker, struct clients *clients);

#endif
