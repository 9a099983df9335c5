/*
 * What the rooms of a worker's loop share. A worker is one thread; nothing here
 * is seen by another, but for the atomics of the course.
 *
 *     phases       when: connect, warm up, measure, drain, one turn after
 * another connections  a flow comes, breaks, rests and goes requests     what
 * is due is made, queued and sent replies      what came is judged and counted
 */
#ifndef SOCKBENCH_LOADGEN_LOOP_LOOP_H
#define SOCKBENCH_LOADGEN_LOOP_LOOP_H

#include "loadgen/flow.h"
#include "loadgen/loop/agenda.h"
#include "loadgen/loop/throttle.h"
#include "loadgen/loop/worker.h"
#include "loadgen/measure/clock.h"

enum phase {
    PHASE_CONNECT,
    PHASE_WARMUP,
    PHASE_WINDOW,
    PHASE_DRAIN
};

struct loop {
    struct worker *worker;
    struct course *course;
    struct tally *tally;
    struct engine *engine;
    enum phase phase;
    struct clock_view clock;
    uint64_t now_ns;
    uint64_t edge_ns; /* the next moment at which something is due */
    uint64_t scan_ns;
    uint64_t window_begin_ns;
    uint64_t window_end_ns; /* UINT64_MAX with -n */
    uint64_t drain_end_ns;
    uint64_t interval_end_ns;
    int usage_fd; /* of this thread, or -errno */
    struct thread_usage usage_begin;
    uint64_t refused_before; /* the ledger's, when the window began */
    uint64_t refused_later;  /* for want of room, after the call; since then */
    uint64_t held_back; /* one way: sends that are made again, since then */
    uint64_t answered_published;
    bool heard; /* a reply since then, be it in time or not */
    uint32_t flows_count;
    uint32_t flows_done;    /* datagrams: made all their requests */
    uint32_t flows_alive;   /* not FLOW_FINISHED */
    uint32_t flows_started; /* asked to connect, in order */
    uint32_t connecting;
    uint64_t pour_ns;  /* one way, closed loop: when to send more; 0: at once */
    uint32_t inflight; /* requests waiting, over all flows */
    struct agenda agenda;     /* open loop: which flow is due next */
    uint32_t most_queued;     /* requests of a flow: a power of two */
    struct throttle throttle; /* closed loop, remote target */
    struct flow *flows;
    struct request *requests;   /* the rings that flows begin with */
    uint8_t *bytes;             /* likewise */
    struct flow_memory *memory; /* those that they grew into */
    struct sequences sequences; /* datagrams only */
    struct hist *earlier;       /* response at the last interval's end */
    struct interval counted;    /* totals at the last interval's end */
};

/* Every time in the loop is this clock's. */
static inline uint64_t clock_of(struct loop *loop)
{
    return clock_view_ns(&loop->clock);
}

#define FAILURES_MAX 3 /* of a flow in a row, before it is given up */

static inline uint32_t channel_of(const struct loop *loop,
                                  const struct flow *flow)
{
    return (uint32_t)(flow - loop->flows);
}

static inline bool is_open_loop(const struct loop *loop)
{
    return loop->course->rate_per_s > 0;
}

/* The connection itself is the request. */
static inline bool is_greeted(const struct loop *loop)
{
    return loop->course->payload.service->greeting != NULL;
}

/* --- phases --- */

/* Opens every connection; returns when each is open or given up. 0 or
 * -errno. */
int phases_connect_all(struct loop *loop);

/* Warm-up, window and drain. 0 or -errno; `worker->end` tells whether it ended
 * before its time. */
int phases_load(struct loop *loop);

/* --- connections --- */

void connection_start(struct loop *loop, struct flow *flow);
void connection_opened(struct loop *loop, struct flow *flow);

/* Something has been dealt with: what is this flow to do now? */
void connection_go_on(struct loop *loop, struct flow *flow);

/* Closes it; the flow may connect again. */
void connection_leave(struct loop *loop, struct flow *flow);

/* Closes it for good. */
void connection_finish(struct loop *loop, struct flow *flow);

/* It is of no more use: its requests are errors; after a rest it may be tried
 * again. */
void connection_break(struct loop *loop, struct flow *flow, enum fault fault);

/* Whatever waits on this flow ends as an error. */
void connection_fail_waiting(struct loop *loop, struct flow *flow,
                             enum fault fault);
void connection_rest(struct loop *loop, struct flow *flow);

/* --- requests --- */

/* Closed loop: makes and sends what the flow may have in flight. */
void requests_fill(struct loop *loop, struct flow *flow);

/* Flows that the caps of a remote target held back, as far as they allow. */
void requests_release_held(struct loop *loop);

/* Streams: sends all that is queued, as far as it stands in one piece. */
void requests_flush(struct loop *loop, struct flow *flow);

/* Open loop: makes what is due by now, up to so many. True when there was
 * anything. */
bool requests_make_due(struct loop *loop, uint32_t most);
uint64_t requests_next_due_ns(const struct loop *loop); /* UINT64_MAX: none */

/* One way: with the kernel's word requests are done, for nobody will answer. To
 * be called when the engine has waited since they were sent. */
void requests_taken(struct loop *loop, struct flow *flow);

void request_fail(struct loop *loop, struct request *request, enum fault fault);
void request_give_up(struct loop *loop, struct flow *flow,
                     struct request *request);
void requests_skip_ended(struct flow *flow);

/* --- replies --- */

void replies_handle(struct loop *loop, const struct completion *completion);

#endif
