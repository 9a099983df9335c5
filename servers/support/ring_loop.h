/*
 * What every io_uring loop has beside its traffic: time, stopping, pauses of
 * accepting, and names for what it asked the kernel to do.
 *
 *   user_data: generation (32 bits), slot (24), operation (8)
 */
#ifndef SOCKBENCH_SERVERS_SUPPORT_RING_LOOP_H
#define SOCKBENCH_SERVERS_SUPPORT_RING_LOOP_H

#include "servers/support/drain.h"
#include "servers/support/ring_clients.h"
#include "servers/support/workers.h"

enum ring_operation {
    RING_RECEIVE,
    RING_SEND,
    RING_CANCEL,
    RING_ACCEPT, /* from here on they belong to the loop, not to a client */
    RING_STOP,
    RING_TICK,  /* every second */
    RING_REST,  /* from accepting, for 100 ms */
    RING_DRAIN, /* every 20 ms, after a stop */
    RING_OPERATIONS
};

struct ring_loop {
    struct worker *worker;
    struct server *server;
    struct ring ring;
    struct ring_clients clients;
    struct server_counters counters;
    struct drain drain;
    size_t quota_bytes; /* a client with more queued is not read from */
    uint32_t tick;      /* seconds, moved on by the timer */
    unsigned wanted;    /* of the loop's operations, by bit: to be submitted */
    int broken_accepts; /* in a row */
    int error;
    bool accepting; /* the kernel holds an accept */
    bool no_entry;  /* a submission entry was missed: do not wait, look again */
    uint32_t turns[RING_WANTS]; /* of clients that wait, in this pass */
    bool resuming;              /* a client whose turn for a buffer it is */
    bool draining, finishing, over;
    bool one_accept; /* asked for anew after each client, not multishot */
};

/* For the calling thread. 0 or -errno; ring_loop_close takes half a loop too,
 * and adds its counters to the server's. */
int ring_loop_open(struct ring_loop *loop, struct worker *worker);
void ring_loop_close(struct ring_loop *loop);

/* False when the loop has nothing more to do. */
bool ring_loop_goes_on(const struct ring_loop *loop);

/* Begins a pass: submits what the loop itself wants, and says who waits no
 * longer. */
void ring_loop_begin(struct ring_loop *loop);

/*
 * The next client that has waited and is to go on in this pass, or NULL. Each
 * has its turn in order of its coming, and only as many ask for a buffer as
 * there are: more would be refused, a pass again and again for each of them.
 */
struct ring_client *ring_loop_next_waiting(struct ring_loop *loop);

/* Enters the kernel, and waits there unless something is left to do here. 0 or
 * -errno. */
int ring_loop_enter(struct ring_loop *loop);

/* Whether the client may ask for a receive now. Else it waits: for a buffer,
 * behind those that have waited for longer. */
bool ring_loop_may_receive(struct ring_loop *loop, struct ring_client *client);

/* A submission entry for an operation of the client, which waits for its turn
 * when NULL is returned. */
struct io_uring_sqe *ring_loop_entry(struct ring_loop *loop,
                                     struct ring_client *client);

/* The name of an operation of a client, and the client of a name: NULL when it
 * is gone, and its slot or its descriptor perhaps another's. */
uint64_t ring_loop_name(const struct ring_loop *loop,
                        enum ring_operation operation,
                        const struct ring_client *client);
struct ring_client *ring_loop_client(struct ring_loop *loop, uint64_t name);

/* An accepted descriptor that may be served, or -1; what else an accept can end
 * in is seen to. */
int ring_loop_accepted(struct ring_loop *loop, const struct io_uring_cqe *cqe);

/* The stop, the end of a rest or a tick. True after a tick: clients want to be
 * looked at. */
bool ring_loop_event(struct ring_loop *loop, enum ring_operation operation);

/* The client was silent or stuck for too long. */
bool ring_loop_is_overdue(const struct ring_loop *loop,
                          const struct ring_client *client);

#endif
