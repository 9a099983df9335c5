#include "loadgen/run.h"

#include "loadgen/measure/clock.h"
#include "loadgen/report/stream_json.h"
#include "servers/cli/units.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_NS (20 * NS_PER_MS)

static volatile sig_atomic_t interrupted_by;

void run_interrupt(int signal)
{
    interrupted_by = signal;
}

struct crew {
    struct course *course;
    struct worker *workers;
    struct tally *tallies;
    pthread_t *threads;
    bool *joined;
    uint32_t started;
};

static int crew_start(struct crew *crew, const int *cpus)
{
    struct course *course = crew->course;
    uint32_t n = course->threads;
    crew->workers = calloc(n, sizeof *crew->workers);
    crew->tallies = calloc(n, sizeof *crew->tallies);
    crew->threads = calloc(n, sizeof *crew->threads);
    crew->joined = calloc(n, sizeof *crew->joined);
    if (!crew->workers || !crew->tallies || !crew->threads || !crew->joined)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        crew->workers[i] = (struct worker){.course = course,
                                           .index = i,
                                           .cpu = cpus[i],
                                           .tally = &crew->tallies[i]};
        int r = pthread_create(&crew->threads[i], NULL, worker_run,
                               &crew->workers[i]);
        if (r != 0)
            return -r;
        crew->started++;
    }
    return 0;
}

static uint32_t workers_alive(struct crew *crew)
{
    uint32_t alive = 0;
    for (uint32_t i = 0; i < crew->started; i++) {
        if (!crew->joined[i])
            crew->joined[i] = pthread_tryjoin_np(crew->threads[i], NULL) == 0;
        alive += !crew->joined[i];
    }
    return alive;
}

static void live_line(FILE *live, const struct course *course, uint64_t now,
                      uint64_t answered_before)
{
    uint64_t answered =
        atomic_load_explicit(&course->answered, memory_order_relaxed);
    double since = ((double)now - (double)course->begin_ns) / 1e9;
    bool warming = now < course->begin_ns + course->warmup_ns;
    char count[UNITS_TEXT_MAX];
    fprintf(live, "\r%6.1f s  %12s %s/s %s  ", since,
            units_format_count(answered - answered_before, count),
            course->one_way ? "datagrams" : "replies",
            warming ? "(warm-up)" : "         ");
    fflush(live);
}

/* Looks at the machine shortly before the window and after it: looking takes
 * time, and might take it from a worker. */
struct observer {
    const struct course *course;
    const struct cgroup *cgroup; /* or NULL */
    struct run_result *result;
    bool began, ended;
};

static void observe(struct observer *observer, uint64_t now, bool over)
{
    const struct course *course = observer->course;
    struct run_result *result = observer->result;
    uint64_t begin_ns = course->begin_ns + course->warmup_ns;
    /* With a number of requests the window ends with the workers. */
    uint64_t end_ns =
        course->requests ? UINT64_MAX : begin_ns + course->duration_ns;
    if (!observer->began && now + TICK_NS + TICK_NS / 2 >= begin_ns) {
        observer->began = true;
        result->machine_known =
            machine_read(observer->cgroup, &result->machine_before) == 0;
    }
    if (observer->began && !observer->ended && (over || now >= end_ns)) {
        observer->ended = true;
        result->machine_known &=
            machine_read(observer->cgroup, &result->machine_after) == 0;
    }
}

/* Waits for the workers: a line a second, Ctrl-C, and nothing moving. */
static void watch(struct crew *crew, FILE *live, struct run_result *result,
                  struct observer *observer)
{
    struct course *course = crew->course;
    uint64_t next_line_ns = course->begin_ns + NS_PER_S;
    uint64_t answered = 0;
    /* A server that takes one after the other waits for a silent one first. */
    uint64_t patience_ns =
        course->timeout_ns + NS_PER_S + course->idlers.idle_ns;
    const bool careful = course->remote && !course->stream;
    if (careful) /* nobody can ask for an end there */
        patience_ns = REMOTE_SILENCE_NS;
    if (course->rate_per_s > 0) /* nobody need have been asked meanwhile */
        patience_ns += (uint64_t)(10e9 / course->rate_per_s);
    bool stopping = false;
    for (;;) {
        struct timespec tick = {.tv_nsec = (long)TICK_NS};
        nanosleep(&tick, NULL);
        uint64_t now = clock_now_ns();
        observe(observer, now, false);
        stream_json_write_intervals(course->stream_json, false);
        if (live && now >= next_line_ns) {
            live_line(live, course, now, answered);
            answered =
                atomic_load_explicit(&course->answered, memory_order_relaxed);
            next_line_ns += NS_PER_S;
        }
        uint64_t last =
            atomic_load_explicit(&course->last_answer_ns, memory_order_relaxed);
        if (!stopping && interrupted_by) {
            result->interrupted_by = interrupted_by;
            result->reason = "interrupted";
            stopping = true;
        } else if (!stopping && now > last && now - last > patience_ns) {
            result->reason =
                careful ? "no reply from a remote target for 2 s"
                        : "no reply for longer than the timeout and a second";
            stopping = true;
        }
        if (stopping)
            atomic_store_explicit(&course->stop, true, memory_order_relaxed);
        if (workers_alive(crew) == 0)
            break;
    }
    observe(observer, clock_now_ns(), true);
    if (live)
        fprintf(live, "\r%60s\r", "");
}

static int collect(struct crew *crew, struct run_result *result)
{
    result->complete = true;
    for (uint32_t i = 0; i < crew->started; i++) {
        const struct worker *worker = &crew->workers[i];
        result->threads[i] =
            (struct run_thread){worker->cpu, crew->tallies[i].usage,
                                crew->tallies[i].idle_window_ns};
        if (worker->error < 0 && result->error == 0)
            result->error = worker->error;
        if (worker->end.early || worker->error < 0)
            result->complete = false;
        int r = tally_add(&result->total, &crew->tallies[i]);
        if (r < 0)
            return r;
    }
    if (!result->complete && !result->reason)
        result->reason = result->error          ? "a thread could not run"
                         : crew->course->stream ? "no connection was left"
                                                : "no flow was left";
    return 0;
}

/* Connecting may take long: Ctrl-C ends that too. */
static void gate_await(struct course *course, uint32_t count)
{
    struct gate *gate = &course->gate;
    pthread_mutex_lock(&gate->lock);
    while (gate->arrived < count) {
        const uint64_t look_ns = clock_now_ns() + TICK_NS;
        const struct timespec look = {.tv_sec = (time_t)(look_ns / NS_PER_S),
                                      .tv_nsec = (long)(look_ns % NS_PER_S)};
        (void)pthread_cond_clockwait(&gate->changed, &gate->lock,
                                     CLOCK_MONOTONIC, &look);
        if (interrupted_by)
            atomic_store(&course->stop, true);
    }
    pthread_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

int run(struct course *course, const int *cpus, FILE *live,
        struct run_result *ret)
{
    struct crew crew = {.course = course};
    *ret = (struct run_result){0};
    ret->threads = calloc(course->threads, sizeof *ret->threads);
    if (!ret->threads)
        return -ENOMEM;
    atomic_init(&course->stop, false);
    atomic_init(&course->answered, 0);
    atomic_init(&course->last_answer_ns, clock_now_ns());
    course->epoch_ns = clock_now_ns();
    pthread_mutex_init(&course->gate.lock, NULL);
    pthread_cond_init(&course->gate.changed, NULL);
    struct idlers *idlers = NULL;
    int r = 0;
    if (course->idlers.count > 0)
        r = idlers_start(&idlers, course, &course->idlers);
    if (r == 0)
        r = crew_start(&crew, cpus);
    /* Where not all could start, those that did are let go to end. */
    atomic_store(&course->stop, r < 0);
    gate_await(course, crew.started);
    struct cgroup cgroup;
    bool grouped = cgroup_find("cpu", &cgroup) == 0;
    struct observer observer = {
        .course = course, .cgroup = grouped ? &cgroup : NULL, .result = ret};
    course->begin_ns = clock_now_ns();
    observe(&observer, course->begin_ns, false);
    course->begin_ns = clock_now_ns();
    atomic_store(&course->last_answer_ns, course->begin_ns);
    gate_open(&course->gate);
    watch(&crew, live, ret, &observer);
    stream_json_write_intervals(course->stream_json, true);
    idlers_stop(idlers, &ret->idlers);
    int collected = collect(&crew, ret);
    pthread_mutex_destroy(&course->gate.lock);
    pthread_cond_destroy(&course->gate.changed);
    for (uint32_t i = 0; crew.tallies && i < course->threads; i++)
        tally_done(&crew.tallies[i]);
    free(crew.workers);
    free(crew.tallies);
    free(crew.threads);
    free(crew.joined);
    return r < 0 ? r : collected;
}

void run_result_done(struct run_result *result)
{
    tally_done(&result->total);
    free(result->threads);
    result->threads = NULL;
}
