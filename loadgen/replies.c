/* What came is judged and counted. */
#include "loadgen/loop.h"

#include "loadgen/measure/clock.h"

/* The right reply has come, at loop->now_ns. */
static void answered(struct loop *loop, struct flow *flow,
                     struct request *request)
{
    struct tally *tally = loop->tally;
    bool on_time = request->state == REQUEST_WAITING;
    uint64_t response_ns = loop->now_ns - request->due_ns;
    if (on_time) {
        flow->waiting--;
        loop->inflight--;
        on_time = response_ns <= loop->course->timeout_ns;
        if (!on_time && request->counted)
            tally->accounting.timeout++;
    }
    request->state = REQUEST_ENDED;
    flow->answered_on_connection++;
    flow->failures = 0;
    tally->answered_total++;
    if (!flow->served && loop->phase != PHASE_DRAIN) {
        flow->served = true;
        tally->flows_served++;
    }
    if (!on_time)
        return;
    if (request->counted) {
        tally->accounting.ok++;
        hist_record(&tally->response, response_ns);
        if (is_open_loop(loop))
            hist_record(&tally->service, loop->now_ns - request->sent_ns);
        if (loop->window_end_ns == UINT64_MAX) /* -n ends with its last reply */
            tally->window_end_ns = loop->now_ns;
    }
    if (loop->phase == PHASE_WINDOW) {
        tally->window_completed++;
        tally->window_rx_bytes += loop->course->payload.reply_bytes;
        tally->window_tx_bytes += loop->course->payload.message_bytes;
    }
}
static void content_fault(struct loop *loop, struct flow *flow,
                          enum payload_fault fault)
{
    loop->tally->content_faults[fault]++;
    connection_break(loop, flow, FAULT_CONTENT);
}

static void on_stream_data(struct loop *loop, struct flow *flow,
                           const uint8_t *data, size_t length)
{
    const struct payload *payload = &loop->course->payload;
    while (length > 0) {
        if (flow->head == flow->unsent) {
            content_fault(loop, flow, PAYLOAD_LONG);
            return;
        }
        struct request *request = request_of(loop, flow, flow->head);
        const uint8_t *sent = bytes_of(loop, flow, flow->head);
        size_t part = payload->reply_bytes - flow->reply_offset;
        if (part > length)
            part = length;
        if (part == 0) { /* a greeting is followed by the end alone */
            content_fault(loop, flow, PAYLOAD_LONG);
            return;
        }
        if (!payload_matches(payload, sent, flow->id, request->sequence,
                             flow->reply_offset, data, part)) {
            content_fault(loop, flow,
                          payload_explain(payload, sent, flow->id,
                                          request->sequence, flow->reply_offset,
                                          data, part));
            return;
        }
        data += part;
        length -= part;
        flow->reply_offset += part;
        if (flow->reply_offset == payload->reply_bytes && !is_greeted(loop)) {
            flow->reply_offset = 0;
            flow->head++;
            answered(loop, flow, request);
        }
    }
    connection_go_on(loop, flow);
}

/* The request that a datagram answers, or NULL when it waits no more. */
static struct request *find_request(struct loop *loop, struct flow *flow,
                                    const struct frame *frame)
{
    if (loop->course->payload.header_bytes == 0)
        return flow->head == flow->tail ? NULL
                                        : request_of(loop, flow, flow->head);
    bool counted = frame->type == 'D';
    for (uint32_t i = flow->head; i != flow->tail; i++) {
        struct request *request = request_of(loop, flow, i);
        if (request->sequence == frame->sequence && request->counted == counted)
            return request->state == REQUEST_WAITING ? request : NULL;
    }
    return NULL;
}

static void on_datagram(struct loop *loop, struct flow *flow,
                        const struct completion *completion)
{
    struct tally *tally = loop->tally;
    struct frame frame = {.type = 'D'};
    enum payload_fault fault = payload_check_datagram(
        &loop->course->payload, flow->id, completion->data,
        completion->length_bytes, &frame);
    if (fault == PAYLOAD_OK && completion->truncated)
        fault = PAYLOAD_LONG;
    if (fault == PAYLOAD_FOREIGN) {
        tally->udp.foreign++;
        return;
    }
    if (fault != PAYLOAD_OK) {
        tally->content_faults[fault]++;
        tally->udp.corrupt++;
        return;
    }
    struct request *request = find_request(loop, flow, &frame);
    bool headerless = loop->course->payload.header_bytes == 0;
    if (headerless) {
        /* Without a number: the oldest request, else one too many. */
        if (!request)
            tally->udp.duplicate++;
        else if (request->counted)
            tally->udp.unique++;
    } else if (frame.type == 'D') {
        bool late = !request ||
                    loop->now_ns - request->due_ns > loop->course->timeout_ns;
        sequence_received(flow->sequence, frame.sequence, late);
    }
    if (request) {
        answered(loop, flow, request);
        requests_skip_ended(loop, flow);
    }
    connection_go_on(loop, flow);
}

static void on_closed(struct loop *loop, struct flow *flow)
{
    loop->now_ns = clock_of(loop);
    if (is_greeted(loop) && flow->head != flow->tail &&
        flow->reply_offset == loop->course->payload.reply_bytes) {
        flow->reply_offset = 0;
        answered(loop, flow, request_of(loop, flow, flow->head++));
        connection_go_on(loop, flow);
        return;
    }
    bool expected = loop->course->reconnect_every != 0 && flow->waiting == 0;
    if (loop->phase == PHASE_DRAIN && flow->waiting == 0) {
        connection_finish(loop, flow);
    } else if (expected) {
        connection_leave(loop, flow);
        connection_start(loop, flow);
    } else {
        connection_break(loop, flow, FAULT_CLOSED);
    }
}

static void on_failed(struct loop *loop, struct flow *flow, int error)
{
    enum fault fault = fault_of_errno(error);
    if (loop->course->stream) {
        connection_break(loop, flow, fault);
        return;
    }
    /* A datagram socket lives on; an ICMP error does not say which request it
     * answers, so it ends all of this flow's. */
    loop->tally->connection_faults[fault]++;
    connection_fail_waiting(loop, flow, fault);
    requests_skip_ended(loop, flow);
    connection_rest(loop, flow);
    if (flow->failures >= 2 * FAILURES_MAX)
        connection_finish(loop, flow);
}

void replies_handle(struct loop *loop, const struct completion *completion)
{
    struct flow *flow = &loop->flows[completion->channel];
    switch (completion->kind) {
    case COMPLETION_CONNECTED:
        if (flow->state == FLOW_CONNECTING) {
            loop->connecting--;
            connection_opened(loop, flow);
        }
        break;
    case COMPLETION_SENT:
        flow->sending = false;
        requests_flush(loop, flow);
        break;
    case COMPLETION_RECEIVED:
        loop->now_ns = clock_of(loop);
        if (flow->state == FLOW_FINISHED)
            break;
        if (loop->course->stream)
            on_stream_data(loop, flow, completion->data,
                           completion->length_bytes);
        else
            on_datagram(loop, flow, completion);
        break;
    case COMPLETION_CLOSED:
        on_closed(loop, flow);
        break;
    case COMPLETION_FAILED:
        on_failed(loop, flow, completion->error);
        break;
    }
}