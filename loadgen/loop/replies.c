/* What came is judged and counted. */
#include "loadgen/loop/loop.h"

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
        tally->window_rx_bytes +=
            payload_reply_size(&loop->course->payload, request->size_bytes);
        tally->window_tx_bytes += request->size_bytes;
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
        struct request *request = flow_request(flow, flow->head);
        const uint8_t *sent = flow->bytes + request->at;
        const size_t reply_bytes =
            payload_reply_size(payload, request->size_bytes);
        size_t part = reply_bytes - flow->reply_offset;
        if (part > length)
            part = length;
        if (part == 0) { /* a greeting is followed by the end alone */
            content_fault(loop, flow, PAYLOAD_LONG);
            return;
        }
        if (!payload_matches(payload, sent, request->size_bytes, flow->id,
                             request->sequence, flow->reply_offset, data,
                             part)) {
            content_fault(loop, flow,
                          payload_explain(payload, sent, request->size_bytes,
                                          flow->id, request->sequence,
                                          flow->reply_offset, data, part));
            return;
        }
        data += part;
        length -= part;
        flow->reply_offset += part;
        if (flow->reply_offset == reply_bytes && !is_greeted(loop)) {
            flow->reply_offset = 0;
            flow->head++;
            answered(loop, flow, request);
        }
    }
    connection_go_on(loop, flow);
}

/*
 * The request that a datagram answers, as long as its place holds no other one;
 * it may have ended. Numbers of a flow follow one another as their places in
 * the ring do: those of the warm-up, then those of the window.
 */
static struct request *find_request(struct flow *flow,
                                    const struct frame *frame)
{
    bool counted = frame->type == 'D';
    uint64_t back = flow_window_number(flow) +
                    (counted ? 0 : flow->warmup_made) - frame->sequence;
    if (back == 0 || back > flow->mask + 1ULL)
        return NULL;
    struct request *request = flow_request(flow, flow->tail - (uint32_t)back);
    bool same =
        request->sequence == frame->sequence && request->counted == counted;
    return same ? request : NULL;
}

/* Without a number: the oldest one that waits. */
static struct request *oldest_request(struct flow *flow)
{
    return flow->head == flow->tail ? NULL : flow_request(flow, flow->head);
}

/* From when a datagram was sent until now. Tiny frames hold no time: what the
 * flow does not remember is beyond the timeout. */
static uint64_t delay_of(const struct loop *loop, const struct frame *frame,
                         const struct request *request)
{
    if (frame_header_bytes(frame->length_bytes) == FRAME_HEADER_BYTES)
        return (loop->now_ns - loop->course->epoch_ns - frame->time_ns) &
               FRAME_TIME_MASK;
    return request ? loop->now_ns - request->sent_ns : SEQUENCE_DELAY_UNKNOWN;
}

static void note_first_copy(struct loop *loop, size_t length_bytes)
{
    loop->tally->udp.last_arrived_ns = loop->now_ns;
    loop->tally->udp.unique_bytes += length_bytes;
}

/* A reply with a number. Returns its request while that waits. */
static struct request *count_numbered(struct loop *loop, struct flow *flow,
                                      const struct frame *frame,
                                      size_t length_bytes)
{
    struct request *request = find_request(flow, frame);
    if (frame->type == 'D' && loop->course->receipts)
        receipts_add(loop->course->receipts, flow->id, frame->sequence,
                     loop->now_ns);
    if (frame->type == 'D' &&
        sequence_arrived(flow->sequence, &loop->tally->udp.sums,
                         frame->sequence, delay_of(loop, frame, request),
                         loop->now_ns))
        note_first_copy(loop, length_bytes);
    return request && request->state == REQUEST_WAITING ? request : NULL;
}

/* A reply without one: the oldest request's, else one too many. */
static struct request *count_headerless(struct loop *loop, struct flow *flow,
                                        size_t length_bytes)
{
    struct sequence_sums *sums = &loop->tally->udp.sums;
    struct request *request = oldest_request(flow);
    sums->duplicate += !request;
    sums->unique += request && request->counted;
    if (request && request->counted)
        note_first_copy(loop, length_bytes);
    return request;
}

/* Nobody can have answered what was never asked. */
static bool was_sent(const struct flow *flow, const struct frame *frame)
{
    return frame->sequence <
           (frame->type == 'D' ? flow_window_number(flow) : flow->warmup_made);
}

static void on_datagram(struct loop *loop, struct flow *flow,
                        const struct completion *completion)
{
    struct tally *tally = loop->tally;
    struct frame frame = {.type = 'D'};
    if (completion->foreign) {
        tally->udp.foreign++;
        return;
    }
    enum payload_fault fault = payload_check_datagram(
        &loop->course->payload, flow->id, completion->data,
        completion->length_bytes, &frame);
    bool headerless = loop->course->payload.header_bytes == 0;
    if (fault == PAYLOAD_OK && completion->truncated)
        fault = PAYLOAD_LONG;
    if (fault == PAYLOAD_OK && !headerless && !was_sent(flow, &frame))
        fault = PAYLOAD_SEQUENCE;
    if (fault == PAYLOAD_FOREIGN) {
        tally->udp.foreign++;
        return;
    }
    if (loop->course->one_way) /* whoever answers is no discard server */
        fault = PAYLOAD_LONG;
    if (fault != PAYLOAD_OK) {
        tally->content_faults[fault]++;
        tally->udp.corrupt++;
        return;
    }
    loop->heard = true;
    struct request *request =
        headerless
            ? count_headerless(loop, flow, completion->length_bytes)
            : count_numbered(loop, flow, &frame, completion->length_bytes);
    if (request) {
        answered(loop, flow, request);
        requests_skip_ended(flow);
    }
    connection_go_on(loop, flow);
}

static void on_closed(struct loop *loop, struct flow *flow)
{
    loop->now_ns = clock_of(loop);
    if (is_greeted(loop) && flow->head != flow->tail &&
        flow->reply_offset == payload_reply_size(&loop->course->payload, 0)) {
        flow->reply_offset = 0;
        answered(loop, flow, flow_request(flow, flow->head++));
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
    enum fault fault = tally_fault(loop->tally, error);
    if (loop->course->stream) {
        connection_break(loop, flow, fault);
        return;
    }
    /* A datagram socket lives on; an ICMP error does not say which request it
     * answers, so it ends all of this flow's. */
    loop->tally->connection_faults[fault]++;
    if (fault == FAULT_WOULD_BLOCK) { /* one was not taken: the others were */
        loop->refused_later += loop->phase != PHASE_WARMUP;
        return;
    }
    connection_fail_waiting(loop, flow, fault);
    requests_skip_ended(flow);
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