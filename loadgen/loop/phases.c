/* When: connect, warm up, measure, drain, one turn after another. */
#include "loadgen/loop/loop.h"
#include "loadgen/report/stream_json.h"

#include "loadgen/measure/clock.h"

#include <stdlib.h>
#include <string.h>

#define COMPLETIONS_MAX 128
#define CONNECTING_MAX 128u /* handshakes at once: accept queues are finite */
#define CONNECTS_A_TURN 4u  /* those of one submission wait for each other */
#define DUE_A_TURN                                                             \
    16u /* then a look at what came, however far behind it is                  \
         */
#define POUR_AGAIN_NS 50000 /* for a full buffer to have some room */
#define SCAN_NS (20 * NS_PER_MS)
#define CONNECT_TIMEOUT_NS (3 * NS_PER_S)

static void expire(struct loop *loop, struct flow *flow)
{
    bool stream = loop->course->stream;
    /* Accepted by the kernel but never by the server: not late, unserved. */
    if (stream && !flow->served)
        return;
    uint64_t timeout_ns = loop->course->timeout_ns;
    bool expired = false;
    for (uint32_t i = flow->head; i != flow->tail; i++) {
        struct request *request = flow_request(flow, i);
        if (loop->now_ns - request->due_ns <= timeout_ns)
            break;
        if (request->state != REQUEST_WAITING)
            continue;
        expired = true;
        request_give_up(loop, flow, request);
        if (stream)
            request->state = REQUEST_TIMED_OUT;
        if (request->counted)
            loop->tally->accounting.timeout++;
    }
    if (!expired)
        return;
    if (!stream)
        requests_skip_ended(flow);
    if (loop->course->reconnect_every != 0 && flow->waiting == 0 && stream) {
        connection_leave(
            loop, flow); /* a client that gives up comes with a new one */
        if (loop->phase == PHASE_DRAIN)
            connection_finish(loop, flow);
        else
            connection_start(loop, flow);
    } else {
        connection_go_on(loop, flow);
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
        connection_start(loop, &loop->flows[loop->flows_started++]);
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
            connection_break(loop, flow, FAULT_CONNECT_TIMEOUT);
        } else if (flow->state == FLOW_RESTING &&
                   loop->now_ns >= flow->retry_ns) {
            if (loop->course->stream) {
                connection_start(loop, flow);
            } else {
                flow->state = FLOW_OPEN;
                requests_fill(loop, flow);
            }
        }
    }
    loop->scan_ns = loop->now_ns + SCAN_NS;
}

static void end_interval(struct loop *loop)
{
    struct tally *tally = loop->tally;
    const uint64_t end_ns = loop->now_ns < loop->interval_end_ns
                                ? loop->now_ns
                                : loop->interval_end_ns;
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
    stream_json_hand_in(loop->course->stream_json, tally->intervals_count - 1,
                        row, end_ns - loop->window_begin_ns);
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
    thread_usage_read(loop->usage_fd, &loop->usage_begin);
    loop->refused_before = loop->engine->ledger.refused;
}

static void begin_drain(struct loop *loop, uint64_t end_ns)
{
    struct tally *tally = loop->tally;
    if (loop->phase == PHASE_WINDOW) {
        struct thread_usage usage;
        thread_usage_read(loop->usage_fd, &usage);
        tally->usage = thread_usage_since(&usage, &loop->usage_begin);
        tally->cpu_window_ns = tally->usage.cpu_ns;
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
            connection_finish(loop, flow);
        if (loop->course->one_way) { /* which sends what is held back */
            connection_finish(loop, flow);
            requests_taken(loop, flow);
        }
    }
    for (uint32_t i = 0; loop->course->stream && i < loop->flows_count; i++) {
        struct flow *flow = &loop->flows[i];
        if (flow->state != FLOW_OPEN || flow->waiting == 0)
            connection_finish(loop, flow);
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
        requests_make_due(loop, UINT32_MAX); /* the last ones, which are late */
    if (loop->phase == PHASE_WINDOW && loop->now_ns >= loop->window_end_ns)
        begin_drain(loop, loop->window_end_ns);
    if (loop->now_ns >= loop->scan_ns)
        scan(loop);
    set_edge(loop);
}

static void publish(struct loop *loop)
{
    uint64_t answered = loop->tally->answered_total;
    if (answered == loop->answered_published && !loop->heard)
        return;
    atomic_fetch_add_explicit(&loop->course->answered,
                              answered - loop->answered_published,
                              memory_order_relaxed);
    atomic_store_explicit(&loop->course->last_answer_ns, loop->now_ns,
                          memory_order_relaxed);
    loop->answered_published = answered;
    loop->heard = false;
}

/* How long this turn may sleep. */
static uint64_t patience_of(const struct loop *loop)
{
    uint64_t until_ns = loop->edge_ns;
    const uint64_t due_ns = requests_next_due_ns(loop);
    const uint64_t spin_ns = loop->course->spin_ns;
    if (due_ns != UINT64_MAX) {
        const uint64_t wake_ns = due_ns > spin_ns ? due_ns - spin_ns : 0;
        until_ns = wake_ns < until_ns ? wake_ns : until_ns;
    }
    if (loop->throttle.waiting > 0 &&
        throttle_next_ns(&loop->throttle) < until_ns)
        until_ns = throttle_next_ns(&loop->throttle);
    if (loop->pour_ns < until_ns && loop->course->one_way &&
        !is_open_loop(loop))
        until_ns = loop->pour_ns;
    return until_ns > loop->now_ns ? until_ns - loop->now_ns : 0;
}

/* One way, in a closed loop: another batch of each flow, whatever became of the
 * last; and a little later where the kernel took nothing. */
static void pour(struct loop *loop)
{
    bool any = false;
    for (uint32_t i = 0;
         i < loop->flows_count &&
         (loop->phase == PHASE_WARMUP || loop->phase == PHASE_WINDOW);
         i++) {
        struct flow *flow = &loop->flows[i];
        if (flow->state != FLOW_OPEN || flow->done)
            continue;
        loop->now_ns = clock_of(loop);
        requests_taken(loop, flow);
        connection_go_on(loop, flow);
        any |= flow->waiting > 0 || flow->done;
        if (loop->now_ns >= loop->edge_ns)
            on_edge(loop);
    }
    loop->pour_ns = any ? 0 : loop->now_ns + POUR_AGAIN_NS;
}

/* One turn: wait, then deal with all that came. 0 or -errno. */
static int turn(struct loop *loop)
{
    struct completion completions[COMPLETIONS_MAX];
    const struct engine_ops *ops = loop->engine->ops;
    uint64_t began_ns = loop->now_ns;
    const uint64_t patience_ns = patience_of(loop);
    int n = ops->wait(loop->engine, patience_ns, completions, COMPLETIONS_MAX);
    loop->now_ns = clock_of(loop);
    if (!requests_make_due(loop, DUE_A_TURN) && n == 0 && patience_ns == 0 &&
        loop->course->spin_ns > 0 && loop->phase == PHASE_WINDOW)
        loop->tally->idle_window_ns += loop->now_ns - began_ns;
    if (loop->now_ns >= loop->edge_ns)
        on_edge(loop);
    for (int i = 0; i < n; i++) {
        if (engine_is_current(loop->engine, &completions[i]))
            replies_handle(loop, &completions[i]);
        ops->give_back(loop->engine, &completions[i]);
        if (loop->now_ns >= loop->edge_ns)
            on_edge(loop);
    }
    if (loop->course->one_way && !is_open_loop(loop))
        pour(loop);
    if (loop->throttle.waiting > 0)
        requests_release_held(loop);
    publish(loop);
    return n < 0 ? n : 0;
}

static bool stopped(const struct loop *loop)
{
    return atomic_load_explicit(&loop->course->stop, memory_order_relaxed);
}

/* Opens every connection; returns when each is open or given up. */
int phases_connect_all(struct loop *loop)
{
    loop->now_ns = clock_of(loop);
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

int phases_load(struct loop *loop)
{
    struct course *course = loop->course;
    loop->now_ns = clock_of(loop);
    loop->window_begin_ns = course->begin_ns + course->warmup_ns;
    loop->window_end_ns = course->requests
                              ? UINT64_MAX
                              : loop->window_begin_ns + course->duration_ns;
    loop->scan_ns = loop->now_ns + SCAN_NS;
    loop->phase = PHASE_WARMUP;
    on_edge(loop);
    loop->flows_started = loop->flows_count;
    for (uint32_t i = 0; i < loop->flows_count; i++) {
        loop->now_ns = clock_of(loop);
        if (loop->flows[i].state == FLOW_OPEN)
            connection_go_on(loop, &loop->flows[i]);
        else if (is_greeted(loop))
            connection_start(loop, &loop->flows[i]);
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
    /* Also those that never answered are asked what became of them. */
    for (uint32_t i = 0; course->stream && i < loop->flows_count; i++)
        connection_finish(loop, &loop->flows[i]);
    loop->tally->drain_end_ns = clock_of(loop);
    return r;
}
