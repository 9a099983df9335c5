/*
 * One connection, or one UDP flow, and its requests in flight.
 *
 * Requests stand in a ring in the order in which they were made; on a stream
 * their bytes stand in a second ring in the same order, so that whatever is
 * queued goes out as one send. A request keeps its place until its reply has
 * come (streams: replies come in order) or it was given up (datagrams).
 */
#ifndef SOCKBENCH_LOADGEN_FLOW_H
#define SOCKBENCH_LOADGEN_FLOW_H

#include "loadgen/arrival.h"
#include "loadgen/sequence.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum flow_state {
    FLOW_IDLE,       /* not connected (any more) */
    FLOW_CONNECTING, /* asked for, not granted yet */
    FLOW_OPEN,
    FLOW_RESTING,  /* broken; tried again at retry_ns */
    FLOW_FINISHED, /* will never be used again */
};

enum request_state {
    REQUEST_WAITING = 0,
    REQUEST_TIMED_OUT, /* counted; a stream's reply may still come */
    REQUEST_ENDED,     /* answered, or given up */
};

struct request {
    uint64_t due_ns;  /* closed loop: when it was made */
    uint64_t sent_ns; /* when it was handed to the engine */
    uint64_t sequence;
    bool counted; /* scheduled in the window */
    uint8_t state;
};

struct flow {
    uint32_t id; /* over all threads, from 0 */
    enum flow_state state;
    bool sending; /* streams: a send is in flight */
    bool served;  /* answered at least once before the window's end */
    bool connected_once;
    bool done;        /* datagrams: has nothing more to send, listens on */
    uint8_t failures; /* in a row, without an answer in between */

    uint32_t head;       /* oldest request that may still be answered */
    uint32_t unsent;     /* streams: first request not handed to the engine */
    uint32_t tail;       /* where the next request goes; all three run on */
    uint32_t waiting;    /* requests of [head, tail) in REQUEST_WAITING */
    size_t reply_offset; /* streams: bytes of head's reply that have come */

    struct arrival_place place; /* open loop: of its next request */
    uint64_t warmup_made;       /* requests of the warm-up, numbered from 0 */
    uint64_t window_made;       /* requests of the window */
    uint64_t window_refused;    /* of these: that the kernel did not take */
    uint64_t window_quota;      /* of -n; UINT64_MAX without */
    uint64_t made_on_connection;
    uint64_t answered_on_connection;
    uint64_t connect_begin_ns;
    uint64_t retry_ns;

    struct request *requests;  /* ring of `capacity` */
    uint8_t *bytes;            /* ring of `capacity` messages */
    struct sequence *sequence; /* datagrams only */
};

/* The number of the window's next request: those that the kernel refused at
 * once have given theirs back. */
static inline uint64_t flow_window_number(const struct flow *flow)
{
    return flow->window_made - flow->window_refused;
}

#endif
