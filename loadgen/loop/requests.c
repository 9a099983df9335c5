/* What is due is made, queued and sent. */
#include "loadgen/loop/loop.h"

#include "loadgen/measure/clock.h"

void request_fail(struct loop *loop, struct request *request, enum fault fault)
{
    if (!request->counted)
        return;
    loop->tally->accounting.error++;
    loop->tally->accounting.errors[fault]++;
}

void request_give_up(struct loop *loop, struct flow *flow,
                     struct request *request)
{
    request->state = REQUEST_ENDED;
    flow->waiting--;
    loop->inflight--;
}

void requests_skip_ended(struct flow *flow)
{
    while (flow->head != flow->tail &&
           flow_request(flow, flow->head)->state == REQUEST_ENDED)
        flow->head++;
}

static bool may_make(const struct loop *loop, const struct flow *flow)
{
    const struct course *course = loop->course;
    if (is_open_loop(loop)) /* its requests come when they are due */
        return false;
    if (flow->state != FLOW_OPEN || flow->waiting >= course->depth ||
        flow->tail - flow->head >= loop->most_queued)
        return false;
    if (course->reconnect_every != 0 &&
        flow->made_on_connection >= course->reconnect_every)
        return false;
    if (loop->phase == PHASE_WINDOW)
        return flow->window_made < flow->window_quota;
    return loop->phase == PHASE_WARMUP;
}

/* A remote target's caps: the flow waits in line for its turn. */
static bool is_held_back(struct loop *loop, struct flow *flow)
{
    struct throttle *throttle = &loop->throttle;
    if (!throttle_is_on(throttle) || throttle_allows(throttle, loop->now_ns))
        return false;
    if (!flow->held)
        throttle_hold(throttle, channel_of(loop, flow));
    flow->held = true;
    return true;
}

void requests_release_held(struct loop *loop)
{
    struct throttle *throttle = &loop->throttle;
    while (throttle->waiting > 0 && throttle_allows(throttle, loop->now_ns)) {
        struct flow *flow = &loop->flows[throttle_take(throttle)];
        flow->held = false;
        if (flow->state == FLOW_OPEN)
            requests_fill(loop, flow);
    }
}

/* NULL: there is no place for it. */
static struct request *make_request(struct loop *loop, struct flow *flow,
                                    uint64_t due_ns)
{
    const struct payload *payload = &loop->course->payload;
    bool counted = is_open_loop(loop) ? due_ns >= loop->window_begin_ns
                                      : loop->phase == PHASE_WINDOW;
    const char type = counted ? 'D' : 'W';
    uint64_t sequence = counted ? flow_window_number(flow) : flow->warmup_made;
    uint32_t size_bytes = payload_size(payload, type, flow->id, sequence);
    struct request *request =
        flow_place(flow, &loop->memory, loop->most_queued, size_bytes);
    if (!request)
        return NULL;
    request->due_ns = due_ns;
    request->sent_ns = loop->now_ns;
    request->sequence = sequence;
    request->counted = counted;
    request->state = REQUEST_WAITING;
    if (is_greeted(loop)) { /* the connection itself is the request */
        request->due_ns = flow->connect_begin_ns;
        flow->unsent++;
    } else {
        payload_write(payload, type, flow->id, request->sequence,
                      loop->now_ns - loop->course->epoch_ns, size_bytes,
                      flow->bytes + request->at);
    }
    flow->tail++;
    flow->waiting++;
    loop->inflight++;
    if (flow->tail - flow->head > loop->tally->longest_queue)
        loop->tally->longest_queue = flow->tail - flow->head;
    flow->made_on_connection++;
    flow->window_made += counted;
    flow->warmup_made += !counted;
    if (counted) {
        loop->tally->accounting.scheduled++;
        loop->tally->accounting.sent++;
        loop->tally->sent_bytes += size_bytes;
    }
    if (throttle_is_on(&loop->throttle))
        throttle_charge(&loop->throttle, loop->now_ns, size_bytes);
    return request;
}

/* Open loop: what is handed to the engine now was due then. */
static void note_sent(struct loop *loop, struct flow *flow, uint32_t begin,
                      uint32_t count)
{
    for (uint32_t i = begin; i != begin + count; i++) {
        struct request *request = flow_request(flow, i);
        request->sent_ns = loop->now_ns;
        if (request->counted)
            hist_record(&loop->tally->lateness, loop->now_ns - request->due_ns);
    }
}

/* Streams: all that is queued, as far as it stands in one piece. */
void requests_flush(struct loop *loop, struct flow *flow)
{
    while (!flow->sending && flow->unsent != flow->tail) {
        size_t bytes;
        uint32_t count = flow_piece(flow, flow->unsent, &bytes);
        int r = loop->engine->ops->send(
            loop->engine, channel_of(loop, flow),
            flow->bytes + flow_request(flow, flow->unsent)->at, bytes);
        if (r < 0) {
            connection_break(loop, flow, fault_of_errno(r));
            return;
        }
        if (is_open_loop(loop))
            note_sent(loop, flow, flow->unsent, count);
        flow->unsent += count;
        flow->sending = r == 0;
    }
}

static void request_taken(struct loop *loop, struct flow *flow,
                          struct request *request)
{
    struct tally *tally = loop->tally;
    request_give_up(loop, flow, request);
    flow->failures = 0;
    tally->answered_total++;
    if (!flow->served) {
        flow->served = true;
        tally->flows_served++;
    }
    if (request->counted) {
        tally->accounting.ok++;
        if (loop->window_end_ns == UINT64_MAX)
            tally->window_end_ns = loop->now_ns;
    }
    if (loop->phase == PHASE_WINDOW) {
        tally->window_completed++;
        tally->window_tx_bytes += request->size_bytes;
    }
}

void requests_taken(struct loop *loop, struct flow *flow)
{
    for (uint32_t i = flow->head; i != flow->tail; i++) {
        struct request *request = flow_request(flow, i);
        if (request->state == REQUEST_WAITING)
            request_taken(loop, flow, request);
    }
    requests_skip_ended(flow);
    if (!flow->done && flow->window_made >= flow->window_quota) {
        flow->done = true;
        loop->flows_done++;
    }
}

/* One way, as fast as the kernel takes them: a full buffer is not an error but
 * the pace, and the request is as if it had never been made. */
static void hold_back(struct loop *loop, struct flow *flow,
                      struct request *request)
{
    struct tally *tally = loop->tally;
    request_give_up(loop, flow, request);
    flow_take_back(flow);
    flow->made_on_connection--;
    flow->window_made -= request->counted;
    flow->warmup_made -= !request->counted;
    if (request->counted) {
        tally->accounting.scheduled--;
        tally->accounting.sent--;
        tally->sent_bytes -= request->size_bytes;
    }
    loop->held_back += loop->phase == PHASE_WINDOW;
}

/* False: there is no place for it. */
static bool send_datagram(struct loop *loop, struct flow *flow, uint64_t due_ns)
{
    uint32_t index = flow->tail;
    struct request *request = make_request(loop, flow, due_ns);
    if (!request)
        return false;
    if (is_open_loop(loop))
        note_sent(loop, flow, index, 1);
    int r =
        loop->engine->ops->send(loop->engine, channel_of(loop, flow),
                                flow->bytes + request->at, request->size_bytes);
    if (r >= 0) {
        if (request->counted && loop->tally->udp.first_sent_ns == 0)
            loop->tally->udp.first_sent_ns = request->sent_ns;
        if (loop->course->one_way && is_open_loop(loop))
            requests_taken(loop, flow); /* no block holds it back */
        return true;
    }
    enum fault fault = tally_fault(loop->tally, r);
    if (fault == FAULT_WOULD_BLOCK && loop->course->one_way &&
        !is_open_loop(loop)) {
        hold_back(loop, flow, request);
        return false;
    }
    request_fail(loop, request, fault);
    loop->tally->connection_faults[fault]++;
    request_give_up(loop, flow, request);
    /* It was never sent: place and number go to the next one. */
    flow_take_back(flow);
    flow->window_refused += request->counted;
    flow->warmup_made -= !request->counted;
    connection_rest(loop, flow);
    if (fault == FAULT_REFUSED && flow->failures >= 2 * FAILURES_MAX)
        connection_finish(loop, flow);
    return true;
}

void requests_fill(struct loop *loop, struct flow *flow)
{
    if (loop->course->stream) {
        while (may_make(loop, flow) && !is_held_back(loop, flow) &&
               make_request(loop, flow, loop->now_ns)) {
        }
        requests_flush(loop, flow);
    } else {
        while (may_make(loop, flow) && !is_held_back(loop, flow) &&
               send_datagram(loop, flow, loop->now_ns)) {
        }
    }
}

/* Open loop: one request whose time has come. Outstanding replies do not hold
 * it back; what is full does, and is counted. */
static void make_due(struct loop *loop, struct flow *flow, uint64_t due_ns)
{
    bool counted = due_ns >= loop->window_begin_ns;
    if (counted && flow->window_made >= flow->window_quota)
        return;
    bool made =
        flow->state == FLOW_OPEN && loop->inflight < loop->course->max_inflight;
    if (made && loop->course->stream) {
        made = make_request(loop, flow, due_ns);
        requests_flush(loop, flow);
    } else if (made) {
        made = send_datagram(loop, flow, due_ns);
    }
    if (!made) {
        loop->tally->accounting.scheduled += counted;
        loop->tally->accounting.skipped += counted;
    }
}

uint64_t requests_next_due_ns(const struct loop *loop)
{
    if (!is_open_loop(loop) || loop->phase == PHASE_DRAIN ||
        loop->phase == PHASE_CONNECT)
        return UINT64_MAX;
    return loop->course->begin_ns + (uint64_t)agenda_due_ns(&loop->agenda);
}

/* Everything that is due by now. True when there was anything. */
bool requests_make_due(struct loop *loop, uint32_t most)
{
    const struct arrival *arrival = &loop->course->arrival;
    uint64_t due_ns = requests_next_due_ns(loop);
    uint32_t made = 0;
    while (due_ns <= loop->now_ns && due_ns < loop->window_end_ns &&
           made < most) {
        struct flow *flow = &loop->flows[agenda_first(&loop->agenda)];
        make_due(loop, flow, due_ns);
        arrival_next(arrival, flow->id, &flow->place);
        agenda_postpone_first(&loop->agenda, flow->place.due_ns);
        due_ns = requests_next_due_ns(loop);
        made++;
        loop->now_ns = clock_of(loop); /* each is as late as it is */
    }
    return made > 0;
}