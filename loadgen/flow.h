/*
 * One connection, or one UDP flow, and its requests in flight.
 *
 * Requests stand in a ring in the order in which they were made, and their
 * bytes in a second ring in the same order, each request in one piece and
 * behind the one before it, so that whatever is queued goes out as one send, of
 * whatever sizes. A request keeps its place until its reply has come (streams:
 * replies come in order) or it was given up (datagrams).
 *
 * Both rings begin small and grow where requests queue up: of thousands of
 * connections few do, and the others must not pay for it.
 */
#ifndef SOCKBENCH_LOADGEN_FLOW_H
#define SOCKBENCH_LOADGEN_FLOW_H

#include "loadgen/arrival.h"
#include "loadgen/sequence/sequence.h"

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
    uint32_t at;         /* where its bytes stand in the ring */
    uint32_t size_bytes; /* how many they are */
    bool counted;        /* scheduled in the window */
    uint8_t state;
};

struct flow {
    uint32_t id; /* over all threads, from 0 */
    enum flow_state state;
    bool sending; /* streams: a send is in flight */
    bool served;  /* answered at least once before the window's end */
    bool connected_once;
    bool held;        /* back, by the caps of a remote target */
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

    struct request *requests; /* ring of mask + 1 */
    uint32_t mask;
    uint32_t bytes_count; /* of the ring of bytes */
    uint8_t *bytes;
    uint32_t bytes_next;       /* where the next request's would begin */
    uint32_t wrapped;          /* the request that last began at 0 */
    struct sequence *sequence; /* datagrams only */
};

/* The number of the window's next request: those that the kernel refused at
 * once have given theirs back. */
static inline uint64_t flow_window_number(const struct flow *flow)
{
    return flow->window_made - flow->window_refused;
}

/* Memory that flows grew into; all of it is kept until the loop ends, because
 * the kernel may still read a ring that was outgrown. */
struct flow_memory {
    struct flow_memory *next;
    _Alignas(16) uint8_t space[];
};

void flow_memory_done(struct flow_memory **memory);

static inline struct request *flow_request(const struct flow *flow,
                                           uint32_t index)
{
    return &flow->requests[index & flow->mask];
}

/*
 * A place in both rings for one more request, of size_bytes: the request at
 * `tail`, with `at` and `size_bytes` filled in. The flow grows where it must,
 * up to most_requests (a power of two). NULL when it is full, or out of memory.
 * Empty requests do not mix with others.
 */
struct request *flow_place(struct flow *flow, struct flow_memory **memory,
                           uint32_t most_requests, uint32_t size_bytes);

/* The newest request gives its places back. */
static inline void flow_take_back(struct flow *flow)
{
    flow->bytes_next = flow_request(flow, --flow->tail)->at;
}

/* Of the requests from `first` up to the tail, how many stand in one piece;
 * they are *ret_bytes long. There is at least one. */
uint32_t flow_piece(const struct flow *flow, uint32_t first, size_t *ret_bytes);

#endif
