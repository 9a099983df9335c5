/* A thread of the generator: what it needs, its life, what it leaves. */
#include "loadgen/loop/worker.h"

#include "loadgen/loop/loop.h"
#include "loadgen/measure/clock.h"
#include "servers/cli/cpuset.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_SLACK_NS (2 * NS_PER_S) /* what a flow can queue, beside 2 T */

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

/* Its datagrams become sums. Without a number only the sums are known. */
static void end_datagrams(struct loop *loop, struct flow *flow)
{
    struct sequence_sums *sums = &loop->tally->udp.sums;
    if (loop->course->payload.header_bytes == 0)
        sums->sent += flow_window_number(flow);
    else
        sequence_end(flow->sequence, sums, flow_window_number(flow));
    if (loop->course->per_flow)
        loop->tally->udp.flows[loop->tally->udp.flows_count++] =
            (struct tally_flow){.flow = flow->id,
                                .sent = flow_window_number(flow),
                                .sequence = *flow->sequence};
}

/* Those that the kernel refused after the call had returned; which numbers
 * they had is not known. */
static void take_back_refused(struct loop *loop)
{
    uint64_t refused =
        loop->engine->ledger.refused - loop->refused_before - loop->held_back;
    for (uint32_t i = 0; i < loop->flows_count; i++)
        refused -= loop->flows[i].window_refused;
    loop->tally->udp.sums.sent -= refused;
}

/* Nor is it known which requests they were: they were given up in time. */
static void rename_refused(struct loop *loop)
{
    struct accounting *a = &loop->tally->accounting;
    uint64_t left = loop->refused_later;
    const uint64_t given_up = left < a->timeout ? left : a->timeout;
    left -= given_up;
    const uint64_t unfinished = left < a->unfinished ? left : a->unfinished;
    a->timeout -= given_up;
    a->unfinished -= unfinished;
    a->error += given_up + unfinished;
    a->errors[FAULT_WOULD_BLOCK] += given_up + unfinished;
}

/* What is still open when all is over. */
static void settle(struct loop *loop)
{
    struct tally *tally = loop->tally;
    tally->held_back = loop->throttle.held_back;
    uint64_t now = clock_of(loop);
    for (uint32_t i = 0; i < loop->flows_count; i++) {
        struct flow *flow = &loop->flows[i];
        for (uint32_t k = flow->head; k != flow->tail; k++) {
            struct request *request = flow_request(flow, k);
            if (request->state != REQUEST_WAITING || !request->counted)
                continue;
            uint64_t age = now - request->due_ns;
            /* Between the last look at timeouts and the end. */
            if (age > loop->course->timeout_ns &&
                (!loop->course->stream || flow->served)) {
                tally->accounting.timeout++;
                continue;
            }
            tally->accounting.unfinished++;
            if (age > tally->accounting.oldest_unfinished_ns)
                tally->accounting.oldest_unfinished_ns = age;
        }
        if (flow->connected_once && !flow->served)
            tally->flows_unserved++;
        if (flow->sequence)
            end_datagrams(loop, flow);
    }
    if (!loop->course->stream) {
        take_back_refused(loop);
        rename_refused(loop);
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

static uint32_t power_of_two_from(double least)
{
    uint32_t power = 1;
    while (power < least && power < 1u << 20)
        power *= 2;
    return power;
}

/* The rings that flows begin with. In a closed loop they hold what may be in
 * flight; in an open loop most flows never queue more than a request or two. */
static int make_flows(struct loop *loop)
{
    const struct course *course = loop->course;
    const struct sizes *sizes = &course->payload.sizes;
    const bool open = is_open_loop(loop);
    const uint32_t count = loop->flows_count;
    const uint32_t begin = open ? 2 : power_of_two_from(course->depth);
    const uint32_t bytes =
        begin * (sizes->kind == SIZES_FIXED ? sizes->most_bytes
                                            : (uint32_t)sizes_mean(sizes) + 1);
    loop->flows = calloc(count, sizeof *loop->flows);
    loop->requests = calloc((size_t)count * begin, sizeof *loop->requests);
    loop->bytes = malloc((size_t)count * bytes + 1);
    if (!loop->flows || !loop->requests || !loop->bytes ||
        (!course->stream &&
         sequences_init(&loop->sequences, count, course->connections,
                        course->timeout_ns) < 0))
        return -ENOMEM;
    if (course->per_flow)
        loop->tally->udp.flows = calloc(count, sizeof *loop->tally->udp.flows);
    if (course->per_flow && !loop->tally->udp.flows)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        struct flow *flow = &loop->flows[i];
        flow->id = loop->worker->index + i * course->threads;
        flow->window_quota = quota_of(course, flow->id);
        flow->requests = loop->requests + (size_t)i * begin;
        flow->mask = begin - 1;
        flow->bytes = loop->bytes + (size_t)i * bytes;
        flow->bytes_count = bytes;
        if (!course->stream)
            flow->sequence = &loop->sequences.flows[i];
    }
    return open ? plan_agenda(loop) : 0;
}

static int open_engine(struct loop *loop)
{
    const struct course *course = loop->course;
    const struct payload *payload = &course->payload;
    const struct engine_config config = {
        .target = course->target,
        .channels = loop->flows_count,
        .message_bytes = payload_reply_size(payload, payload->longest_bytes),
        .rcvbuf_bytes = course->rcvbuf_bytes,
        .sndbuf_bytes = course->sndbuf_bytes,
        .nodelay = course->nodelay,
        .tcp_cc = course->tcp_cc,
        .offload = course->udp_offload,
        .inflight = is_open_loop(loop) ? 0 : course->depth,
        .persistent = course->reconnect_every == 0,
        .unconnected = course->unconnected,
        .sources = &course->sources,
        .first_flow = loop->worker->index,
        .flow_step = course->threads,
        .service = payload->service};
    return course->engine->open(&loop->engine, &config);
}

static int loop_init(struct loop *loop, struct worker *worker)
{
    struct course *course = worker->course;
    const uint32_t first = worker->index;
    const uint32_t count =
        (course->connections - first + course->threads - 1) / course->threads;
    double most = 2.0 * course->depth;
    if (course->rate_per_s > 0) /* while T and a stall pass by */
        most = 64 + course->rate_per_s / course->connections *
                        (2 * (double)course->timeout_ns + OPEN_SLACK_NS) / 1e9;
    *loop = (struct loop){.worker = worker,
                          .course = course,
                          .tally = worker->tally,
                          .flows_count = count,
                          .flows_alive = count,
                          .most_queued = power_of_two_from(most)};
    clock_view_open(&loop->clock);
    loop->usage_fd = thread_usage_open();
    worker->tally->flows_offered = count;
    loop->earlier = calloc(1, sizeof *loop->earlier);
    int r = loop->earlier ? make_flows(loop) : -ENOMEM;
    if (r == 0 && course->remote && !is_open_loop(loop))
        r = throttle_init(&loop->throttle,
                          course->caps.requests_per_s / course->threads,
                          course->caps.bits_per_s / course->threads, count);
    return r < 0 ? r : open_engine(loop);
}

static void loop_done(struct loop *loop)
{
    if (loop->engine)
        loop->engine->ops->close(loop->engine);
    free(loop->flows);
    free(loop->requests);
    free(loop->bytes);
    flow_memory_done(&loop->memory);
    sequences_done(&loop->sequences);
    free(loop->earlier);
    throttle_done(&loop->throttle);
    agenda_done(&loop->agenda);
    if (loop->usage_fd >= 0)
        close(loop->usage_fd);
}

static uint64_t drops_now(const struct loop *loop)
{
    uint64_t drops = 0;
    for (uint32_t i = 0; i < loop->flows_count; i++) {
        int fd = engine_descriptor(loop->engine, i);
        drops += fd < 0 ? 0 : ledger_socket_drops(fd);
    }
    return drops;
}

/* Datagrams: takes what has come until now, and closes the books. What comes
 * later is counted too, or the sums of both ends would not meet. */
static void hear_out(struct loop *loop)
{
    struct completion completions[64];
    struct engine *engine = loop->engine;
    struct ledger *ledger = &engine->ledger;
    int silent = 0; /* a turn may go by in arming what lacked buffers */
    if (loop->course->stream)
        return;
    uint64_t drops = ledger->drops + drops_now(loop);
    for (uint32_t i = 0; i < loop->flows_count; i++) {
        int fd = engine_descriptor(engine, i);
        if (fd >= 0)
            (void)ledger_deafen(fd);
    }
    loop->now_ns = clock_of(loop);
    while (silent < 3) {
        int n = engine->ops->wait(engine, 0, completions, 64);
        silent = n > 0 ? 0 : silent + 1;
        for (int i = 0; i < n; i++) {
            if (engine_is_current(engine, &completions[i]))
                replies_handle(loop, &completions[i]);
            engine->ops->give_back(engine, &completions[i]);
        }
    }
    ledger->after_end = ledger->drops + drops_now(loop) - drops;
    ledger->drops = drops;
    loop->tally->ledger = *ledger;
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
        r = phases_connect_all(&loop);
    /* Every thread comes to the gate, whatever befell it. */
    pass(&course->gate);
    if (r == 0 && worker->error == 0) {
        r = phases_load(&loop);
        hear_out(&loop);
        add_drain(&loop);
        settle(&loop);
    }
    if (worker->error == 0)
        worker->error = r;
    loop_done(&loop);
    return NULL;
}