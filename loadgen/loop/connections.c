/* A flow comes, breaks, rests and goes. */
#include "loadgen/loop/loop.h"

#include "loadgen/measure/clock.h"

#define REST_NS (10 * NS_PER_MS)

static void empty_rings(struct loop *loop, struct flow *flow)
{
    loop->inflight -= flow->waiting;
    flow->head = flow->unsent = flow->tail = 0;
    flow->wrapped = 0;
    flow->waiting = 0;
    flow->sending = false;
    flow->reply_offset = 0;
    flow->made_on_connection = 0;
    flow->answered_on_connection = 0;
}

void connection_leave(struct loop *loop, struct flow *flow)
{
    if (flow->state == FLOW_CONNECTING)
        loop->connecting--;
    else if (loop->course->stream)
        tcp_facts_ask(&loop->tally->tcp,
                      engine_descriptor(loop->engine, channel_of(loop, flow)));
    loop->engine->ops->disconnect(loop->engine, channel_of(loop, flow));
    flow->state = FLOW_IDLE;
}

void connection_finish(struct loop *loop, struct flow *flow)
{
    if (flow->state == FLOW_FINISHED)
        return;
    connection_leave(loop, flow);
    flow->state = FLOW_FINISHED;
    loop->flows_alive--;
    loop->flows_done -= flow->done;
}

/* Whatever waits on this flow ends as an error. */
void connection_fail_waiting(struct loop *loop, struct flow *flow,
                             enum fault fault)
{
    for (uint32_t i = flow->head; i != flow->tail; i++) {
        struct request *request = flow_request(flow, i);
        if (request->state == REQUEST_WAITING) {
            request_fail(loop, request, fault);
            request_give_up(loop, flow, request);
        }
    }
}

void connection_rest(struct loop *loop, struct flow *flow)
{
    flow->failures++;
    flow->state = FLOW_RESTING;
    flow->retry_ns = loop->now_ns + REST_NS * flow->failures;
}

/* The connection is of no more use. */
void connection_break(struct loop *loop, struct flow *flow, enum fault fault)
{
    loop->tally->connection_faults[fault]++;
    connection_fail_waiting(loop, flow, fault);
    connection_leave(loop, flow);
    empty_rings(loop, flow);
    bool hopeless = fault == FAULT_CONNECT_TIMEOUT && !flow->connected_once;
    connection_rest(loop, flow);
    if (hopeless || flow->failures >= FAILURES_MAX ||
        loop->phase == PHASE_CONNECT || loop->phase == PHASE_DRAIN)
        connection_finish(loop, flow);
}
void connection_opened(struct loop *loop, struct flow *flow)
{
    struct tally *tally = loop->tally;
    bool persistent = loop->course->reconnect_every == 0;
    flow->state = FLOW_OPEN;
    tally->connections_opened++;
    if (!flow->connected_once) {
        flow->connected_once = true;
        tally->flows_connected++;
    }
    if (loop->course->stream && (loop->phase == PHASE_WINDOW ||
                                 (persistent && loop->phase == PHASE_CONNECT)))
        hist_record(&tally->connect, loop->now_ns - flow->connect_begin_ns);
    requests_fill(loop, flow);
}

void connection_start(struct loop *loop, struct flow *flow)
{
    empty_rings(loop, flow);
    loop->now_ns = clock_of(loop);
    flow->connect_begin_ns = loop->now_ns;
    flow->state = FLOW_CONNECTING;
    loop->connecting++;
    int r = loop->engine->ops->connect(loop->engine, channel_of(loop, flow));
    if (r < 0) {
        connection_break(loop, flow, tally_fault(loop->tally, r));
    } else if (r == 1) {
        loop->connecting--;
        loop->now_ns = clock_of(loop);
        connection_opened(loop, flow);
    }
}

/* A reply has been dealt with: what is this flow to do now? */
void connection_go_on(struct loop *loop, struct flow *flow)
{
    const struct course *course = loop->course;
    bool more =
        loop->phase == PHASE_WARMUP ||
        (loop->phase == PHASE_WINDOW && flow->window_made < flow->window_quota);
    if (flow->waiting == 0 && !more && course->stream) {
        connection_finish(loop, flow);
    } else if (flow->waiting == 0 && !more) {
        /* A late or a second reply may still come. */
        loop->flows_done += !flow->done;
        flow->done = true;
    } else if (course->reconnect_every != 0 && flow->waiting == 0 &&
               flow->answered_on_connection >= course->reconnect_every) {
        connection_leave(loop, flow);
        connection_start(loop, flow);
    } else {
        requests_fill(loop, flow);
    }
}