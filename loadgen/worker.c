#include "loadgen/worker.h"

#include "loadgen/agenda.h"
#include "loadgen/flow.h"
#include "loadgen/measure/clock.h"
#include "servers/cli/cpuset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMPLETIONS_MAX 128
#define CONNECTING_MAX                                                         \
    128u                   /* handshakes at once: an accept queue is finite    \
                            */
#define CONNECTS_A_TURN 4u /* those of one submission wait for each other */
#define SCAN_NS (20 * NS_PER_MS)
#define CONNECT_TIMEOUT_NS (3 * NS_PER_S)
#define REST_NS (10 * NS_PER_MS)
#define FAILURES_MAX 3
#define OPEN_SLACK_NS (2 * NS_PER_S) /* what a flow can queue, beside 2 T */

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
    uint64_t now_ns;
    uint64_t edge_ns; /* the next moment at which something is due */
    uint64_t scan_ns;
    uint64_t window_begin_ns;
    uint64_t window_end_ns; /* UINT64_MAX with -n */
    uint64_t drain_end_ns;
    uint64_t interval_end_ns;
    uint64_t cpu_begin_ns;
    uint64_t answered_published;
    uint32_t flows_count;
    uint32_t flows_done;    /* datagrams: made all their requests */
    uint32_t flows_alive;   /* not FLOW_FINISHED */
    uint32_t flows_started; /* asked to connect, in order */
    uint32_t connecting;
    uint32_t inflight;    /* requests waiting, over all flows */
    struct agenda agenda; /* open loop: which flow is due next */
    uint32_t capacity;    /* of a flow's rings: a power of two */
    uint32_t mask;
    struct flow *flows;
    struct request *requests;
    uint8_t *bytes;
    struct sequence *sequences;
    struct hist *earlier;    /* response at the last interval's end */
    struct interval counted; /* totals at the last interval's end */
};

static uint32_t channel_of(const struct loop *loop, const struct flow *flow)
{
    return (uint32_t)(flow - loop->flows);
}

static uint8_t *bytes_of(const struct loop *loop, const struct flow *flow,
                         uint32_t index)
{
    return flow->bytes +
           (size_t)(index & loop->mask) * loop->course->payload.message_bytes;
}

static struct request *request_of(const struct loop *loop,
                                  const struct flow *flow, uint32_t index)
{
    return &flow->requests[index & loop->mask];
}

/* ------------------------------------------------- ends of a request --- */

static bool is_open_loop(const struct loop *loop)
{
    return loop->course->rate_per_s > 0;
}

static void count_error(struct loop *loop, struct request *request,
                        enum fault fault)
{
    if (!request->counted)
        return;
    loop->tally->accounting.error++;
    loop->tally->accounting.errors[fault]++;
}

static void give_up(struct loop *loop, struct flow *flow,
                    struct request *request)
{
    request->state = REQUEST_ENDED;
    flow->waiting--;
    loop->inflight--;
}

static void skip_ended(struct loop *loop, struct flow *flow)
{
    while (flow->head != flow->tail &&
           request_of(loop, flow, flow->head)->state == REQUEST_ENDED)
        flow->head++;
}

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

/* ----------------------------------------------------- ends of a flow --- */

static void empty_rings(struct loop *loop, struct flow *flow)
{
    loop->inflight -= flow->waiting;
    flow->head = flow->unsent = flow->tail = 0;
    flow->waiting = 0;
    flow->sending = false;
    flow->reply_offset = 0;
    flow->made_on_connection = 0;
    flow->answered_on_connection = 0;
}

static void leave(struct loop *loop, struct flow *flow)
{
    if (flow->state == FLOW_CONNECTING)
        loop->connecting--;
    loop->engine->ops->disconnect(loop->engine, channel_of(loop, flow));
    flow->state = FLOW_IDLE;
}

static void finish(struct loop *loop, struct flow *flow)
{
    if (flow->state == FLOW_FINISHED)
        return;
    leave(loop, flow);
    flow->state = FLOW_FINISHED;
    loop->flows_alive--;
    loop->flows_done -= flow->done;
}

/* Whatever waits on this flow ends as an error. */
static void fail_waiting(struct loop *loop, struct flow *flow, enum fault fault)
{
    for (uint32_t i = flow->head; i != flow->tail; i++) {
        struct request *request = request_of(loop, flow, i);
        if (request->state == REQUEST_WAITING) {
            count_error(loop, request, fault);
            give_up(loop, flow, request);
        }
    }
}

static void rest(struct loop *loop, struct flow *flow)
{
    flow->failures++;
    flow->state = FLOW_RESTING;
    flow->retry_ns = loop->now_ns + REST_NS * flow->failures;
}

/* The connection is of no more use. */
static void break_flow(struct loop *loop, struct flow *flow, enum fault fault)
{
    loop->tally->connection_faults[fault]++;
    fail_waiting(loop, flow, fault);
    leave(loop, flow);
    empty_rings(loop, flow);
    bool hopeless = fault == FAULT_CONNECT_TIMEOUT && !flow->connected_once;
    rest(loop, flow);
    if (hopeless || flow->failures >= FAILURES_MAX ||
        loop->phase == PHASE_CONNECT || loop->phase == PHASE_DRAIN)
        finish(loop, flow);
}

/* ----------------------------------------------------------- requests --- */

static bool may_make(const struct loop *loop, const struct flow *flow)
{
    const struct course *course = loop->course;
    if (is_open_loop(loop)) /* its requests come when they are due */
        return false;
    if (flow->state != FLOW_OPEN || flow->waiting >= course->depth ||
        flow->tail - flow->head >= loop->capacity)
        return false;
    if (course->reconnect_every != 0 &&
        flow->made_on_connection >= course->reconnect_every)
        return false;
    if (loop->phase == PHASE_WINDOW)
        return flow->window_made < flow->window_quota;
    return loop->phase == PHASE_WARMUP;
}

static bool is_greeted(const struct loop *loop)
{
    return loop->course->payload.service->greeting != NULL;
}

static struct request *make_request(struct loop *loop, struct flow *flow,
                                    uint64_t due_ns)
{
    struct request *request = request_of(loop, flow, flow->tail);
    bool counted = is_open_loop(loop) ? due_ns >= loop->window_begin_ns
                                      : loop->phase == PHASE_WINDOW;
    *request = (struct request){
        .due_ns = due_ns,
        .sent_ns = loop->now_ns,
        .sequence = counted ? flow->window_made++ : flow->warmup_made++,
        .counted = counted,
    };
    if (is_greeted(loop)) { /* the connection itself is the request */
        request->due_ns = flow->connect_begin_ns;
        flow->unsent++;
    } else {
        payload_write(&loop->course->payload, counted ? 'D' : 'W', flow->id,
                      request->sequence, loop->now_ns - loop->course->epoch_ns,
                      bytes_of(loop, flow, flow->tail));
    }
    flow->tail++;
    flow->waiting++;
    loop->inflight++;
    if (flow->tail - flow->head > loop->tally->longest_queue)
        loop->tally->longest_queue = flow->tail - flow->head;
    flow->made_on_connection++;
    if (counted) {
        loop->tally->accounting.scheduled++;
        loop->tally->accounting.sent++;
    }
    return request;
}

/* Open loop: what is handed to the engine now was due then. */
static void note_sent(struct loop *loop, struct flow *flow, uint32_t begin,
                      uint32_t count)
{
    for (uint32_t i = begin; i != begin + count; i++) {
        struct request *request = request_of(loop, flow, i);
        request->sent_ns = loop->now_ns;
        if (request->counted)
            hist_record(&loop->tally->lateness, loop->now_ns - request->due_ns);
    }
}

/* Streams: all that is queued, as far as it stands in one piece. */
static void flush(struct loop *loop, struct flow *flow)
{
    while (!flow->sending && flow->unsent != flow->tail) {
        uint32_t count = flow->tail - flow->unsent;
        uint32_t to_wrap = loop->capacity - (flow->unsent & loop->mask);
        if (count > to_wrap)
            count = to_wrap;
        int r = loop->engine->ops->send(
            loop->engine, channel_of(loop, flow),
            bytes_of(loop, flow, flow->unsent),
            count * loop->course->payload.message_bytes);
        if (r < 0) {
            break_flow(loop, flow, fault_of_errno(r));
            return;
        }
        if (is_open_loop(loop))
            note_sent(loop, flow, flow->unsent, count);
        flow->unsent += count;
        flow->sending = r == 0;
    }
}

static void send_datagram(struct loop *loop, struct flow *flow, uint64_t due_ns)
{
    uint32_t index = flow->tail;
    struct request *request = make_request(loop, flow, due_ns);
    if (is_open_loop(loop))
        note_sent(loop, flow, index, 1);
    int r = loop->engine->ops->send(loop->engine, channel_of(loop, flow),
                                    bytes_of(loop, flow, index),
                                    loop->course->payload.message_bytes);
    if (r >= 0) {
        loop->tally->udp.sent += request->counted;
        return;
    }
    enum fault fault = fault_of_errno(r);
    count_error(loop, request, fault);
    loop->tally->connection_faults[fault]++;
    give_up(loop, flow, request);
    skip_ended(loop, flow);
    rest(loop, flow);
}

static void fill(struct loop *loop, struct flow *flow)
{
    if (loop->course->stream) {
        while (may_make(loop, flow))
            make_request(loop, flow, loop->now_ns);
        flush(loop, flow);
    } else {
        while (may_make(loop, flow))
            send_datagram(loop, flow, loop->now_ns);
    }
}

/* Open loop: one request whose time has come. Outstanding replies do not hold
 * it back; what is full does, and is counted. */
static void make_due(struct loop *loop, struct flow *flow, uint64_t due_ns)
{
    bool counted = due_ns >= loop->window_begin_ns;
    if (counted && flow->window_made >= flow->window_quota)
        return;
    bool full = flow->tail - flow->head >= loop->capacity ||
                loop->inflight >= loop->course->max_inflight;
    if (flow->state != FLOW_OPEN || full) {
        loop->tally->accounting.scheduled += counted;
        loop->tally->accounting.skipped += counted;
    } else if (loop->course->stream) {
        make_request(loop, flow, due_ns);
        flush(loop, flow);
    } else {
        send_datagram(loop, flow, due_ns);
    }
}

static uint64_t next_due_ns(const struct loop *loop)
{
    if (!is_open_loop(loop) || loop->phase == PHASE_DRAIN ||
        loop->phase == PHASE_CONNECT)
        return UINT64_MAX;
    return loop->course->begin_ns + (uint64_t)agenda_due_ns(&loop->agenda);
}

/* Everything that is due by now. True when there was anything. */
static bool make_all_due(struct loop *loop)
{
    const struct arrival *arrival = &loop->course->arrival;
    uint64_t due_ns = next_due_ns(loop);
    bool any = false;
    while (due_ns <= loop->now_ns && due_ns < loop->window_end_ns) {
        struct flow *flow = &loop->flows[agenda_first(&loop->agenda)];
        make_due(loop, flow, due_ns);
        arrival_next(arrival, flow->id, &flow->place);
        agenda_postpone_first(&loop->agenda, flow->place.due_ns);
        due_ns = next_due_ns(loop);
        any = true;
        if (loop->now_ns < due_ns)
            loop->now_ns = clock_now_ns();
    }
    return any;
}

/* -------------------------------------------------------- connections --- */

static void on_connected(struct loop *loop, struct flow *flow)
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
    fill(loop, flow);
}

static void start_connect(struct loop *loop, struct flow *flow)
{
    empty_rings(loop, flow);
    loop->now_ns = clock_now_ns();
    flow->connect_begin_ns = loop->now_ns;
    flow->state = FLOW_CONNECTING;
    loop->connecting++;
    int r = loop->engine->ops->connect(loop->engine, channel_of(loop, flow));
    if (r < 0) {
        break_flow(loop, flow, fault_of_errno(r));
    } else if (r == 1) {
        loop->connecting--;
        loop->now_ns = clock_now_ns();
        on_connected(loop, flow);
    }
}

/* A reply has been dealt with: what is this flow to do now? */
static void go_on(struct loop *loop, struct flow *flow)
{
    const struct course *course = loop->course;
    bool more =
        loop->phase == PHASE_WARMUP ||
        (loop->phase == PHASE_WINDOW && flow->window_made < flow->window_quota);
    if (flow->waiting == 0 && !more && course->stream) {
        finish(loop, flow);
    } else if (flow->waiting == 0 && !more) {
        /* A late or a second reply may still come. */
        loop->flows_done += !flow->done;
        flow->done = true;
    } else if (course->reconnect_every != 0 && flow->waiting == 0 &&
               flow->answered_on_connection >= course->reconnect_every) {
        leave(loop, flow);
        start_connect(loop, flow);
    } else {
        fill(loop, flow);
    }
}

/* ------------------------------------------------------------ replies --- */

static void content_fault(struct loop *loop, struct flow *flow,
                          enum payload_fault fault)
{
    loop->tally->content_faults[fault]++;
    break_flow(loop, flow, FAULT_CONTENT);
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
    go_on(loop, flow);
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
        skip_ended(loop, flow);
    }
    go_on(loop, flow);
}

static void on_closed(struct loop *loop, struct flow *flow)
{
    loop->now_ns = clock_now_ns();
    if (is_greeted(loop) && flow->head != flow->tail &&
        flow->reply_offset == loop->course->payload.reply_bytes) {
        flow->reply_offset = 0;
        answered(loop, flow, request_of(loop, flow, flow->head++));
        go_on(loop, flow);
        return;
    }
    bool expected = loop->course->reconnect_every != 0 && flow->waiting == 0;
    if (loop->phase == PHASE_DRAIN && flow->waiting == 0) {
        finish(loop, flow);
    } else if (expected) {
        leave(loop, flow);
        start_connect(loop, flow);
    } else {
        break_flow(loop, flow, FAULT_CLOSED);
    }
}

static void on_failed(struct loop *loop, struct flow *flow, int error)
{
    enum fault fault = fault_of_errno(error);
    if (loop->course->stream) {
        break_flow(loop, flow, fault);
        return;
    }
    /* A datagram socket lives on; an ICMP error does not say which request it
     * answers, so it ends all of this flow's. */
    loop->tally->connection_faults[fault]++;
    fail_waiting(loop, flow, fault);
    skip_ended(loop, flow);
    rest(loop, flow);
    if (flow->failures >= 2 * FAILURES_MAX)
        finish(loop, flow);
}

static void handle(struct loop *loop, const struct completion *completion)
{
    struct flow *flow = &loop->flows[completion->channel];
    switch (completion->kind) {
    case COMPLETION_CONNECTED:
        if (flow->state == FLOW_CONNECTING) {
            loop->connecting--;
            on_connected(loop, flow);
        }
        break;
    case COMPLETION_SENT:
        flow->sending = false;
        flush(loop, flow);
        break;
    case COMPLETION_RECEIVED:
        loop->now_ns = clock_now_ns();
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

/* --------------------------------------------------------------- time --- */

static void expire(struct loop *loop, struct flow *flow)
{
    bool stream = loop->course->stream;
    /* Accepted by the kernel but never by the server: not late, unserved. */
    if (stream && !flow->served)
        return;
    uint64_t timeout_ns = loop->course->timeout_ns;
    bool expired = false;
    for (uint32_t i = flow->head; i != flow->tail; i++) {
        struct request *request = request_of(loop, flow, i);
        if (loop->now_ns - request->due_ns <= timeout_ns)
            break;
        if (request->state != REQUEST_WAITING)
            continue;
        expired = true;
        give_up(loop, flow, request);
        if (stream)
            request->state = REQUEST_TIMED_OUT;
        if (request->counted)
            loop->tally->accounting.timeout++;
    }
    if (!expired)
        return;
    if (!stream)
        skip_ended(loop, flow);
    if (loop->course->reconnect_every != 0 && flow->waiting == 0 && stream) {
        leave(loop, flow); /* a client that gives up comes with a new one */
        if (loop->phase == PHASE_DRAIN)
            finish(loop, flow);
        else
            start_connect(loop, flow);
    } else {
        go_on(loop, flow);
    }
}

static void start_connects(struct loop *loop)
{
    double rate = loop->course->connect_rate_per_s;
    uint64_t due = UINT64_MAX;
    if (rate > 0)
        due = 1 + (uint64_t)((double)(loop->now_ns - loop->course->epoch_ns) *
                             rate / 1e9 / loop->course->threads);
    for (uint32_t i = 0; i < CONNECTS_A_TURN; i++) {
        if (loop->flows_started == loop->flows_count ||
            loop->flows_started >= due || loop->connecting >= CONNECTING_MAX)
            break;
        start_connect(loop, &loop->flows[loop->flows_started++]);
    }
}

static void scan(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->flows_started; i++) {
        struct flow *flow = &loop->flows[i];
        if (flow->state == FLOW_OPEN) {
            expire(loop, flow);
        } else if (flow->state == FLOW_CONNECTING &&
                   loop->now_ns - flow->connect_begin_ns > CONNECT_TIMEOUT_NS) {
            break_flow(loop, flow, FAULT_CONNECT_TIMEOUT);
        } else if (flow->state == FLOW_RESTING &&
                   loop->now_ns >= flow->retry_ns) {
            if (loop->course->stream) {
                start_connect(loop, flow);
            } else {
                flow->state = FLOW_OPEN;
                fill(loop, flow);
            }
        }
    }
    loop->scan_ns = loop->now_ns + SCAN_NS;
}

static void end_interval(struct loop *loop)
{
    struct tally *tally = loop->tally;
    struct interval *grown =
        realloc(tally->intervals,
                (tally->intervals_count + 1) * sizeof *tally->intervals);
    if (!grown)
        return; /* an interval less in the report, and no lost run */
    tally->intervals = grown;
    struct interval *row = &grown[tally->intervals_count++];
    *row = (struct interval){
        .completed = tally->window_completed - loop->counted.completed,
        .errors = tally->accounting.error - loop->counted.errors};
    (void)hist_pack(&tally->response, loop->earlier, &row->response);
    memcpy(loop->earlier, &tally->response, sizeof *loop->earlier);
    loop->counted.completed = tally->window_completed;
    loop->counted.errors = tally->accounting.error;
    loop->interval_end_ns += loop->course->interval_ns;
}

static void begin_window(struct loop *loop)
{
    loop->phase = PHASE_WINDOW;
    loop->tally->window_begin_ns = loop->window_begin_ns;
    loop->interval_end_ns = loop->window_begin_ns + loop->course->interval_ns;
    loop->cpu_begin_ns = clock_thread_cpu_ns();
}

static void begin_drain(struct loop *loop, uint64_t end_ns)
{
    struct tally *tally = loop->tally;
    if (loop->phase == PHASE_WINDOW) {
        tally->cpu_window_ns = clock_thread_cpu_ns() - loop->cpu_begin_ns;
        if (loop->window_end_ns != UINT64_MAX || tally->window_end_ns == 0)
            tally->window_end_ns = end_ns;
        if (tally->window_completed > loop->counted.completed)
            end_interval(loop);
    }
    loop->phase = PHASE_DRAIN;
    loop->drain_end_ns = loop->now_ns + loop->course->timeout_ns;
    /* Those that the server never took leave first: it must not serve them now
     * and make them look served. */
    for (uint32_t i = 0; i < loop->flows_count; i++) {
        struct flow *flow = &loop->flows[i];
        if (loop->course->stream && !flow->served)
            finish(loop, flow);
    }
    for (uint32_t i = 0; loop->course->stream && i < loop->flows_count; i++) {
        struct flow *flow = &loop->flows[i];
        if (flow->state != FLOW_OPEN || flow->waiting == 0)
            finish(loop, flow);
    }
}

static void set_edge(struct loop *loop)
{
    uint64_t edge = loop->scan_ns;
    uint64_t next = UINT64_MAX;
    if (loop->phase == PHASE_WARMUP)
        next = loop->window_begin_ns;
    else if (loop->phase == PHASE_WINDOW)
        next = loop->window_end_ns < loop->interval_end_ns
                   ? loop->window_end_ns
                   : loop->interval_end_ns;
    else if (loop->phase == PHASE_DRAIN)
        next = loop->drain_end_ns;
    loop->edge_ns = edge < next ? edge : next;
}

static void on_edge(struct loop *loop)
{
    if (loop->phase == PHASE_WARMUP && loop->now_ns >= loop->window_begin_ns)
        begin_window(loop);
    while (loop->phase == PHASE_WINDOW &&
           loop->interval_end_ns <= loop->window_end_ns &&
           loop->now_ns >= loop->interval_end_ns)
        end_interval(loop);
    if (loop->phase == PHASE_WINDOW && loop->now_ns >= loop->window_end_ns)
        make_all_due(loop); /* the last ones, which are late */
    if (loop->phase == PHASE_WINDOW && loop->now_ns >= loop->window_end_ns)
        begin_drain(loop, loop->window_end_ns);
    if (loop->now_ns >= loop->scan_ns)
        scan(loop);
    set_edge(loop);
}

/* --------------------------------------------------------------- loop --- */

static void publish(struct loop *loop)
{
    uint64_t answered = loop->tally->answered_total;
    if (answered == loop->answered_published)
        return;
    atomic_fetch_add_explicit(&loop->course->answered,
                              answered - loop->answered_published,
                              memory_order_relaxed);
    atomic_store_explicit(&loop->course->last_answer_ns, loop->now_ns,
                          memory_order_relaxed);
    loop->answered_published = answered;
}

/* How long this turn may sleep. */
static uint64_t patience_of(const struct loop *loop)
{
    uint64_t until_ns = loop->edge_ns;
    uint64_t due_ns = next_due_ns(loop);
    if (due_ns < until_ns)
        until_ns = due_ns;
    if (until_ns <= loop->now_ns ||
        (due_ns != UINT64_MAX && loop->course->spin))
        return 0;
    return until_ns - loop->now_ns;
}

/* One turn: wait, then deal with all that came. 0 or -errno. */
static int turn(struct loop *loop)
{
    struct completion completions[COMPLETIONS_MAX];
    const struct engine_ops *ops = loop->engine->ops;
    uint64_t began_ns = loop->now_ns;
    int n = ops->wait(loop->engine, patience_of(loop), completions,
                      COMPLETIONS_MAX);
    loop->now_ns = clock_now_ns();
    if (!make_all_due(loop) && n == 0 && loop->course->spin &&
        loop->phase == PHASE_WINDOW)
        loop->tally->idle_window_ns += loop->now_ns - began_ns;
    if (loop->now_ns >= loop->edge_ns)
        on_edge(loop);
    for (int i = 0; i < n; i++) {
        if (engine_is_current(loop->engine, &completions[i]))
            handle(loop, &completions[i]);
        ops->give_back(loop->engine, &completions[i]);
        if (loop->now_ns >= loop->edge_ns)
            on_edge(loop);
    }
    publish(loop);
    return n < 0 ? n : 0;
}

static bool stopped(const struct loop *loop)
{
    return atomic_load_explicit(&loop->course->stop, memory_order_relaxed);
}

/* Opens every connection; returns when each is open or given up. */
static int connect_all(struct loop *loop)
{
    loop->now_ns = clock_now_ns();
    loop->scan_ns = loop->now_ns;
    int r = 0;
    if (is_greeted(loop)) /* connecting is what will be measured */
        return 0;
    while (r == 0 && !stopped(loop) &&
           (loop->flows_started < loop->flows_count || loop->connecting > 0)) {
        start_connects(loop);
        set_edge(loop);
        if (loop->flows_started == loop->flows_count && loop->connecting == 0)
            break;
        if (loop->connecting == 0 || loop->flows_started < loop->flows_count)
            loop->edge_ns = loop->now_ns + NS_PER_MS;
        r = turn(loop);
    }
    return r;
}

static int load(struct loop *loop)
{
    struct course *course = loop->course;
    loop->now_ns = clock_now_ns();
    loop->window_begin_ns = course->begin_ns + course->warmup_ns;
    loop->window_end_ns = course->requests
                              ? UINT64_MAX
                              : loop->window_begin_ns + course->duration_ns;
    loop->scan_ns = loop->now_ns + SCAN_NS;
    loop->phase = PHASE_WARMUP;
    on_edge(loop);
    loop->flows_started = loop->flows_count;
    for (uint32_t i = 0; i < loop->flows_count; i++) {
        loop->now_ns = clock_now_ns();
        if (loop->flows[i].state == FLOW_OPEN)
            go_on(loop, &loop->flows[i]);
        else if (is_greeted(loop))
            start_connect(loop, &loop->flows[i]);
    }
    int r = 0;
    while (r == 0 && loop->phase != PHASE_DRAIN &&
           loop->flows_alive > loop->flows_done) {
        if (stopped(loop)) {
            loop->worker->end.early = true;
            break;
        }
        r = turn(loop);
    }
    if (loop->phase != PHASE_DRAIN) {
        bool done = course->requests && r == 0 && !loop->worker->end.early;
        for (uint32_t i = 0; done && i < loop->flows_count; i++)
            done = loop->flows[i].window_made >= loop->flows[i].window_quota;
        if (!done)
            loop->worker->end.early = true;
        begin_drain(loop, loop->now_ns);
        set_edge(loop);
    }
    while (r == 0 && loop->flows_alive > 0 &&
           loop->now_ns < loop->drain_end_ns && !stopped(loop))
        r = turn(loop);
    loop->tally->drain_end_ns = clock_now_ns();
    return r;
}

/* Requests of the window that were answered after it belong to its last
 * interval, or the intervals would not add up to the whole. */
static void add_drain(struct loop *loop)
{
    struct tally *tally = loop->tally;
    struct hist_slice rest = {0};
    if (tally->intervals_count == 0 ||
        hist_pack(&tally->response, loop->earlier, &rest) < 0)
        return;
    struct interval *last = &tally->intervals[tally->intervals_count - 1];
    if (rest.count > 0) /* `earlier` has served its purpose */
        (void)hist_slice_add(&last->response, &rest, loop->earlier);
    hist_slice_done(&rest);
}

/* What is still open when all is over. */
static void settle(struct loop *loop)
{
    struct tally *tally = loop->tally;
    uint64_t now = clock_now_ns();
    for (uint32_t i = 0; i < loop->flows_count; i++) {
        struct flow *flow = &loop->flows[i];
        for (uint32_t k = flow->head; k != flow->tail; k++) {
            struct request *request = request_of(loop, flow, k);
            if (request->state != REQUEST_WAITING || !request->counted)
                continue;
            tally->accounting.unfinished++;
            uint64_t age = now - request->due_ns;
            if (age > tally->accounting.oldest_unfinished_ns)
                tally->accounting.oldest_unfinished_ns = age;
        }
        if (flow->connected_once && !flow->served)
            tally->flows_unserved++;
        if (flow->sequence) {
            tally->udp.unique += flow->sequence->unique;
            tally->udp.late += flow->sequence->late;
            tally->udp.duplicate += flow->sequence->duplicate;
            tally->udp.reordered += flow->sequence->reordered;
            tally->udp.ancient += flow->sequence->ancient;
        }
    }
}

static uint64_t quota_of(const struct course *course, uint32_t flow)
{
    if (course->requests == 0)
        return UINT64_MAX;
    return course->requests / course->connections +
           (flow < course->requests % course->connections);
}

static int plan_agenda(struct loop *loop)
{
    const struct arrival *arrival = &loop->course->arrival;
    int r = agenda_init(&loop->agenda, loop->flows_count);
    for (uint32_t i = 0; r == 0 && i < loop->flows_count; i++) {
        struct flow *flow = &loop->flows[i];
        flow->place = arrival_first(arrival, flow->id);
        agenda_add(&loop->agenda, i, flow->place.due_ns);
    }
    return r;
}

static int loop_init(struct loop *loop, struct worker *worker)
{
    struct course *course = worker->course;
    uint32_t first = worker->index;
    uint32_t count =
        (course->connections - first + course->threads - 1) / course->threads;
    uint32_t capacity = 2;
    double most = 2.0 * course->depth;
    if (course->rate_per_s > 0) /* while T and a stall pass by */
        most = 64 + course->rate_per_s / course->connections *
                        (2 * (double)course->timeout_ns + OPEN_SLACK_NS) / 1e9;
    while (capacity < most && capacity < 1u << 20)
        capacity *= 2;
    *loop = (struct loop){.worker = worker,
                          .course = course,
                          .tally = worker->tally,
                          .flows_count = count,
                          .flows_alive = count,
                          .capacity = capacity,
                          .mask = capacity - 1};
    size_t ring = (size_t)count * capacity;
    size_t message = course->payload.message_bytes;
    loop->flows = calloc(count, sizeof *loop->flows);
    loop->requests = calloc(ring, sizeof *loop->requests);
    loop->bytes = malloc(ring * message + 1);
    loop->earlier = calloc(1, sizeof *loop->earlier);
    if (!course->stream)
        loop->sequences = calloc(count, sizeof *loop->sequences);
    if (!loop->flows || !loop->requests || !loop->bytes || !loop->earlier ||
        (!course->stream && !loop->sequences))
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct flow *flow = &loop->flows[i];
        flow->id = first + i * course->threads;
        flow->window_quota = quota_of(course, flow->id);
        flow->requests = loop->requests + (size_t)i * capacity;
        flow->bytes = loop->bytes + (size_t)i * capacity * message;
        flow->sequence = loop->sequences ? &loop->sequences[i] : NULL;
    }
    int r = is_open_loop(loop) ? plan_agenda(loop) : 0;
    if (r < 0)
        return r;
    worker->tally->flows_offered = count;
    struct engine_config config = {.target = course->target,
                                   .channels = count,
                                   .message_bytes =
                                       message > course->payload.reply_bytes
                                           ? message
                                           : course->payload.reply_bytes,
                                   .rcvbuf_bytes = course->rcvbuf_bytes,
                                   .sndbuf_bytes = course->sndbuf_bytes,
                                   .nodelay = course->nodelay,
                                   .offload = course->udp_offload};
    return course->engine->open(&loop->engine, &config);
}

static void loop_done(struct loop *loop)
{
    if (loop->engine)
        loop->engine->ops->close(loop->engine);
    free(loop->flows);
    free(loop->requests);
    free(loop->bytes);
    free(loop->sequences);
    free(loop->earlier);
    agenda_done(&loop->agenda);
}

static void pass(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->arrived++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

void *worker_run(void *argument)
{
    struct worker *worker = argument;
    struct course *course = worker->course;
    struct loop loop;
    if (worker->cpu >= 0)
        worker->error = cpuset_pin_one(worker->cpu);
    worker->tally->cpu = worker->cpu;
    int r = loop_init(&loop, worker);
    if (r == 0)
        r = connect_all(&loop);
    /* Every thread comes to the gate, whatever befell it. */
    pass(&course->gate);
    if (r == 0 && worker->error == 0) {
        r = load(&loop);
        add_drain(&loop);
        settle(&loop);
    }
    if (worker->error == 0)
        worker->error = r;
    loop_done(&loop);
    return NULL;
}
