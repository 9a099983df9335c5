/*
 * What every epoll loop of stream clients has beside its traffic: clients to
 * accept, time, and the stop. The page waits and serves.
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_EPOLL_LOOP_H
#define SOCKBENCH_SERVERS_SUPPORT_EPOLL_LOOP_H

#include "servers/support/clients.h"
#include "servers/support/ticker.h"

#include <sys/epoll.h>

#define EPOLL_LOOP_EVENTS 256 /* at most, of one wait */

struct epoll_loop {
    struct server *server;
    struct clients clients;
    struct ticker ticker;
    int fd; /* of epoll */
    int listen_fd;
    unsigned worker; /* of several; whose counters they are */
    uint32_t events; /* that a new client is watched for */
    unsigned noted;  /* what waits beside clients, by bit */
    bool resting;    /* out of descriptors: nobody is accepted until a tick */
};

/* 0 or -errno; epoll_loop_close takes half a loop too, and adds its counters to
 * the server's. */
int epoll_loop_open(struct epoll_loop *loop, struct server *server,
                    int listen_fd, uint32_t events);
void epoll_loop_close(struct epoll_loop *loop);

/* False when the loop has nothing more to do. */
bool epoll_loop_goes_on(const struct epoll_loop *loop);

/* The client of an event; NULL when it is the loop's own, which is noted. */
struct client *epoll_loop_client(struct epoll_loop *loop,
                                 const struct epoll_event *event);

/* Watches the client for other events. */
void epoll_loop_watch(struct epoll_loop *loop, struct client *client,
                      uint32_t events);

/* At the end of a turn, does what was noted: accepts, begins the drain, lets
 * time pass. May remove any client. 0 or -errno. */
int epoll_loop_own(struct epoll_loop *loop);

#endif
