#include "loadgen/summary.h"

#include "loadgen/measure/host.h"
#include "loadgen/measure/report.h"
#include "servers/cli/log.h"

#include "build_facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION 1
#define BUSY_LIMIT 0.90
#define ACHIEVED_LIMIT 0.99 /* of what was offered */
#define LATENESS_LIMIT 0.10 /* of the response time */
#define ARRIVAL_SAMPLES 10000
#define DRIFT_LIMIT 0.10 /* between the halves of the window */
#define LITTLE_LIMIT 0.05
#define LITTLE_WINDOW_S 1.0 /* shorter windows are all edge */

/* What both the JSON and the verdict need. */
struct view {
    const struct plan *plan;
    const struct course *course;
    const struct run_result *result;
    const struct tally *total;
    double window_s; /* 0: there was none */
};

static void put_config(json_t *report, const struct load_options *options)
{
    json_t *config = put_object(report, "config");
    const char *at = (const char *)options;
    for (size_t i = 0; i < load_option_table.count; i++) {
        const struct option_spec *row = &load_option_table.options[i];
        char key[64];
        const char *unit = row->type == OPTION_BYTES      ? "_bytes"
                           : row->type == OPTION_DURATION ? "_ns"
                           : row->type == OPTION_RATE     ? "_per_s"
                                                          : "";
        snprintf(key, sizeof key, "%s%s", row->name, unit);
        for (char *c = strchr(key, '-'); c; c = strchr(c, '-'))
            *c = '_';
        const void *value = at + row->offset;
        switch (row->type) {
        case OPTION_FLAG:
        case OPTION_SWITCH:
            put_flag(config, key, *(const bool *)value);
            break;
        case OPTION_TEXT:
        case OPTION_CHOICE:
            put_text(config, key, *(const char *const *)value);
            break;
        case OPTION_COUNT:
        case OPTION_BYTES:
        case OPTION_DURATION:
            put_count(config, key, *(const uint64_t *)value);
            break;
        case OPTION_RATE:
            put_real(config, key, *(const double *)value);
            break;
        }
    }
}

/* "a=1,b=2" */
static void put_labels(json_t *run, const char *text)
{
    json_t *labels = put_object(run, "labels");
    char *copy = strdup(text ? text : "");
    char *at = NULL;
    for (char *pair = copy ? strtok_r(copy, ",", &at) : NULL; pair;
         pair = strtok_r(NULL, ",", &at)) {
        char *equals = strchr(pair, '=');
        if (equals)
            *equals = '\0';
        put_text(labels, pair, equals ? equals + 1 : "");
    }
    free(copy);
}

static void put_run(json_t *report, const struct view *view, int argc,
                    char *const *argv)
{
    json_t *out = put_object(report, "run");
    put_new_id(out, "id");
    put_utc_now(out, "created_utc");
    put_flag(out, "complete", view->result->complete);
    put_text(out, "reason", view->result->reason);
    put_labels(out, view->plan->options.label);
    put_count(out, "seed", view->plan->options.seed);
    json_t *list = put_array(out, "argv");
    for (int i = 0; i < argc; i++) {
        json_t *word = json_string(argv[i]);
        json_array_append_new(list, word ? word : json_null());
    }
}

static void put_server(json_t *report, const struct view *view)
{
    /* What only the one who started the server knows is filled in by it. */
    static const char *const unknown[] = {"model",
                                          "command",
                                          "workers",
                                          "ready",
                                          "pid",
                                          "cpu_user_ns",
                                          "cpu_system_ns",
                                          "cpu_ns_per_request",
                                          "rss_peak_bytes",
                                          "pss_peak_bytes",
                                          "voluntary_context_switches",
                                          "involuntary_context_switches"};
    json_t *server = put_object(report, "server");
    put_text(server, "service", view->course->payload.service->name);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        put_null(server, unknown[i]);
}

/* The schedule, and the proof that its gaps are what it claims. */
static void put_arrival(json_t *load, const struct view *view)
{
    const struct course *course = view->course;
    if (course->rate_per_s <= 0) {
        put_null(load, "arrival");
        return;
    }
    double distance;
    double critical;
    json_t *out = put_object(load, "arrival");
    put_text(out, "how", view->plan->options.arrival);
    put_real(out, "rate_per_s", course->rate_per_s);
    put_text(out, "pacing", course->spin ? "spin" : "block");
    put_count(out, "longest_queue", view->total->longest_queue);
    if (arrival_test(&course->arrival, ARRIVAL_SAMPLES, &distance, &critical)) {
        json_t *test = put_object(out, "kolmogorov_smirnov");
        put_count(test, "samples", ARRIVAL_SAMPLES);
        put_real(test, "distance", distance);
        put_real(test, "critical", critical);
        put_flag(test, "passed", distance < critical);
    } else {
        put_null(out, "kolmogorov_smirnov");
    }
}

static void put_load(json_t *report, const struct view *view)
{
    const struct course *course = view->course;
    const struct tally *total = view->total;
    json_t *load = put_object(report, "load");
    put_text(load, "model", course->rate_per_s > 0 ? "open" : "closed");
    put_arrival(load, view);
    put_text(load, "engine", course->engine->name);
    put_text(load, "engine_note", view->plan->engine_note);
    put_flag(load, "udp_offload", course->udp_offload);
    put_text(load, "udp_offload_note", view->plan->udp_offload_note);
    put_count(load, "connections", course->connections);
    put_count(load, "threads", course->threads);
    put_count(load, "pipeline", course->depth);
    put_count(load, "size_bytes", course->payload.message_bytes);
    put_count(load, "reconnect_every", course->reconnect_every);
    put_text(load, "frame",
             course->payload.header_bytes == FRAME_HEADER_BYTES ? "full"
             : course->payload.header_bytes == FRAME_TINY_BYTES ? "tiny"
                                                                : "none");
    put_flag(load, "verified", course->payload.verify);
    if (course->rate_per_s > 0)
        put_ratio(load, "offered_per_s", (double)total->accounting.scheduled,
                  view->window_s);
    else
        put_null(load, "offered_per_s");
    put_ratio(load, "achieved_per_s", (double)total->window_completed,
              view->window_s);
    json_t *flows = put_object(load, "flows");
    put_count(flows, "offered", total->flows_offered);
    put_count(flows, "connected", total->flows_connected);
    put_count(flows, "served", total->flows_served);
    put_count(flows, "unserved", total->flows_unserved);
    json_t *connections = put_object(load, "connection_faults");
    for (int i = 0; i < FAULTS; i++)
        put_count(connections, fault_names[i], total->connection_faults[i]);
    json_t *content = put_object(load, "content_faults");
    for (int i = PAYLOAD_OK + 1; i < PAYLOAD_FOREIGN; i++)
        put_count(content, payload_fault_names[i], total->content_faults[i]);
    put_count(load, "connections_opened", total->connections_opened);
}

static void put_window(json_t *report, const struct view *view)
{
    const struct tally *total = view->total;
    json_t *window = put_object(report, "window");
    put_count(window, "warmup_ns", view->course->warmup_ns);
    put_count(window, "length_ns", (uint64_t)(view->window_s * 1e9 + 0.5));
    put_count(window, "drain_ns",
              total->drain_end_ns > total->window_end_ns &&
                      total->window_end_ns > 0
                  ? total->drain_end_ns - total->window_end_ns
                  : 0);
}

static void put_accounting(json_t *report, const struct accounting *a)
{
    json_t *out = put_object(report, "accounting");
    put_count(out, "scheduled", a->scheduled);
    put_count(out, "skipped", a->skipped);
    put_count(out, "sent", a->sent);
    put_count(out, "ok", a->ok);
    put_count(out, "error", a->error);
    put_count(out, "timeout", a->timeout);
    put_count(out, "unfinished", a->unfinished);
    if (a->unfinished > 0)
        put_count(out, "oldest_unfinished_ns", a->oldest_unfinished_ns);
    else
        put_null(out, "oldest_unfinished_ns");
    json_t *errors = put_object(out, "errors");
    for (int i = 0; i < FAULTS; i++)
        put_count(errors, fault_names[i], a->errors[i]);
}

static int by_rate(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The rates of the whole intervals among [begin, end), sorted, on the heap; the
 * last interval of a window may be cut, and does not count. */
static double *interval_rates(const struct view *view, uint64_t begin,
                              uint64_t end)
{
    double length_s = (double)view->course->interval_ns / 1e9;
    double *rates = calloc(end - begin + 1, sizeof *rates);
    for (uint64_t i = begin; rates && i < end; i++)
        rates[i - begin] =
            (double)view->total->intervals[i].completed / length_s;
    if (rates)
        qsort(rates, end - begin, sizeof *rates, by_rate);
    return rates;
}

static uint64_t whole_intervals(const struct view *view)
{
    double length_s = (double)view->course->interval_ns / 1e9;
    uint64_t whole = (uint64_t)(view->window_s / length_s + 1e-9);
    return whole < view->total->intervals_count ? whole
                                                : view->total->intervals_count;
}

/* NAN where there are fewer than `least` intervals. */
static double interval_median(const struct view *view, uint64_t begin,
                              uint64_t end, uint64_t least)
{
    if (end < begin + least)
        return (double)NAN;
    double *rates = interval_rates(view, begin, end);
    if (!rates)
        return (double)NAN;
    uint64_t n = end - begin;
    double median = (rates[(n - 1) / 2] + rates[n / 2]) / 2;
    free(rates);
    return median;
}

/* Second half of the window against the first; NAN for short runs. */
static double drift_of(const struct view *view)
{
    uint64_t whole = whole_intervals(view);
    double first = interval_median(view, 0, whole / 2, 2);
    double second = interval_median(view, whole - whole / 2, whole, 2);
    return first > 0 ? second / first - 1 : (double)NAN;
}

/* Little's law: clients in the system over rate x response time, which is 1
 * where every client always waits for a reply. NAN where that is not so. */
static double little_of(const struct view *view)
{
    const struct course *course = view->course;
    const struct tally *t = view->total;
    if (course->rate_per_s > 0 || course->reconnect_every > 0 ||
        t->accounting.timeout > 0 || t->response.total == 0 ||
        view->window_s <= 0)
        return (double)NAN;
    double waiting = (double)t->window_completed / view->window_s *
                     hist_mean(&t->response) / 1e9;
    return waiting / ((double)t->flows_served * course->depth);
}

static double steal_of(const json_t *before, const json_t *after)
{
    double total = 0;
    double steal = 0;
    const char *kind;
    json_t *ticks;
    json_object_foreach(json_object_get(after, "cpu_ticks"), kind, ticks)
    {
        const json_t *earlier =
            json_object_get(json_object_get(before, "cpu_ticks"), kind);
        double used = json_number_value(ticks) - json_number_value(earlier);
        total += used;
        if (strcmp(kind, "steal") == 0)
            steal = used;
    }
    return total > 0 ? steal / total : (double)NAN;
}

/* What the verdict rests on, and what a reader may want to judge by himself. */
static void put_evidence(json_t *report, const struct view *view)
{
    const json_t *environment = json_object_get(report, "environment");
    json_t *out = put_object(report, "evidence");
    put_real(out, "littles_law_ratio", little_of(view));
    put_real(out, "drift_ratio", drift_of(view));
    if (view->course->rate_per_s > 0)
        put_ratio(out, "achieved_ratio", (double)view->total->accounting.ok,
                  (double)view->total->accounting.scheduled);
    else
        put_null(out, "achieved_ratio");
    put_real(out, "steal_ratio",
             steal_of(json_object_get(environment, "before"),
                      json_object_get(environment, "after")));
}

static void put_throughput(json_t *report, const struct view *view)
{
    const struct tally *total = view->total;
    json_t *out = put_object(report, "throughput");
    put_ratio(out, "requests_per_s", (double)total->window_completed,
              view->window_s);
    put_ratio(out, "tx_bits_per_s", 8 * (double)total->window_tx_bytes,
              view->window_s);
    put_ratio(out, "rx_bits_per_s", 8 * (double)total->window_rx_bytes,
              view->window_s);
    put_real(out, "interval_median_per_s",
             interval_median(view, 0, whole_intervals(view), 3));
}

static void put_latency(json_t *report, const struct view *view)
{
    json_t *latency = put_object(report, "latency");
    put_hist(latency, "response", &view->total->response);
    /* In a closed loop a request is due when it is sent: they are the same. */
    bool open = view->course->rate_per_s > 0;
    put_hist(latency, "service",
             open ? &view->total->service : &view->total->response);
    put_hist(latency, "connect", &view->total->connect);
    put_hist(latency, "send_lateness", &view->total->lateness);
}

static void put_udp(json_t *report, const struct view *view)
{
    const struct tally *t = view->total;
    if (view->course->stream) {
        put_null(report, "udp");
        return;
    }
    json_t *udp = put_object(report, "udp");
    uint64_t sent = t->udp.sent;
    bool numbered = view->course->payload.header_bytes > 0;
    put_text(udp, "loss_known_by", numbered ? "sequence" : "count");
    put_count(udp, "sent", sent);
    put_count(udp, "received",
              t->udp.unique + t->udp.duplicate + t->udp.ancient +
                  t->udp.foreign + t->udp.corrupt);
    put_count(udp, "unique", t->udp.unique);
    uint64_t lost = sent > t->udp.unique ? sent - t->udp.unique : 0;
    put_count(udp, "lost", lost);
    put_ratio(udp, "loss_ratio", (double)lost, (double)sent);
    put_count(udp, "late", t->udp.late);
    put_count(udp, "duplicate", t->udp.duplicate);
    put_count(udp, "reordered", t->udp.reordered);
    put_count(udp, "ancient", t->udp.ancient);
    put_count(udp, "foreign", t->udp.foreign);
    put_count(udp, "corrupt", t->udp.corrupt);
}

/* A thread's CPU without the passes in which it only looked at the clock. */
static double busy(uint64_t cpu_ns, uint64_t idle_ns)
{
    return cpu_ns > idle_ns ? (double)(cpu_ns - idle_ns) : 0;
}

static void put_generator(json_t *report, const struct view *view)
{
    const struct tally *total = view->total;
    json_t *out = put_object(report, "generator");
    put_count(out, "requests_total", total->answered_total);
    double busy_ns = busy(total->cpu_window_ns, total->idle_window_ns);
    put_count(out, "cpu_window_ns", total->cpu_window_ns);
    put_count(out, "idle_window_ns", total->idle_window_ns);
    put_ratio(out, "cpu_ns_per_request", busy_ns,
              (double)total->window_completed);
    put_ratio(out, "ceiling_per_s",
              view->course->threads * 1e9 * (double)total->window_completed,
              busy_ns);
    json_t *list = put_array(out, "threads");
    for (uint32_t i = 0; i < view->course->threads; i++) {
        json_t *row = json_object();
        const struct run_thread *thread = &view->result->threads[i];
        if (thread->cpu >= 0)
            put_count(row, "cpu", (uint64_t)thread->cpu);
        else
            put_null(row, "cpu");
        put_count(row, "cpu_window_ns", thread->cpu_window_ns);
        put_ratio(row, "busy_ratio",
                  busy(thread->cpu_window_ns, thread->idle_window_ns) / 1e9,
                  view->window_s);
        json_array_append_new(list, row);
    }
}

static void put_intervals(json_t *report, const struct view *view)
{
    json_t *list = put_array(report, "intervals");
    uint64_t length_ns = view->course->interval_ns;
    uint64_t window_ns = (uint64_t)(view->window_s * 1e9 + 0.5);
    struct hist *hist = malloc(sizeof *hist);
    for (uint64_t i = 0; hist && i < view->total->intervals_count; i++) {
        const struct interval *interval = &view->total->intervals[i];
        json_t *row = json_object();
        uint64_t end_ns = (i + 1) * length_ns;
        hist_reset(hist);
        hist_add_slice(hist, &interval->response);
        put_count(row, "start_ns", i * length_ns);
        put_count(row, "end_ns", end_ns < window_ns ? end_ns : window_ns);
        put_text(row, "phase", "window");
        put_count(row, "completed", interval->completed);
        put_count(row, "errors", interval->errors);
        struct hist_quantile found;
        if (hist_quantile_interval(hist, 0.5, &found))
            put_count(row, "p50_ns", found.value_ns);
        else
            put_null(row, "p50_ns");
        if (hist_quantile_interval(hist, 0.99, &found))
            put_count(row, "p99_ns", found.value_ns);
        else
            put_null(row, "p99_ns");
        json_array_append_new(list, row);
    }
    free(hist);
}

static void add_reason(json_t *reasons, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_reason(json_t *reasons, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(reasons, json_string(text));
}

static uint64_t sum(const uint64_t *counts, int n)
{
    uint64_t total = 0;
    for (int i = 0; i < n; i++)
        total += counts[i];
    return total;
}

/* Why a content fault is what it is, in words. */
static const char *const fault_words[PAYLOAD_FAULTS] = {
    [PAYLOAD_OK] = "right",
    [PAYLOAD_CONTENT] = "with wrong bytes",
    [PAYLOAD_UNTRANSFORMED] =
        "with the request unchanged, where upper case was due",
    [PAYLOAD_SEQUENCE] = "to another request (out of order, or twice)",
    [PAYLOAD_FLOW] = "to another connection's request",
    [PAYLOAD_SHORT] = "shorter than the request",
    [PAYLOAD_LONG] = "longer than the request, or that nobody asked for",
    [PAYLOAD_FOREIGN] = "of another run",
};

/* Why connections came to nothing. */
static const char *const fault_words_of_connections[FAULTS] = {
    [FAULT_REFUSED] = "refused: nobody listens there (any more)",
    [FAULT_RESET] = "reset by the server",
    [FAULT_CLOSED] = "closed by the server before it had answered",
    [FAULT_CONNECT_TIMEOUT] = "not accepted within 3 s",
    [FAULT_NO_PORT] = "no_port: this client's ports are used up",
    [FAULT_NO_DESCRIPTOR] = "no_descriptor: this client has no more of them",
    [FAULT_WOULD_BLOCK] = "would_block: this client's send buffer was full",
    [FAULT_TOO_BIG] = "too_big: larger than the socket sends",
    [FAULT_CONTENT] = "wrong replies",
    [FAULT_OTHER] = "other errors",
};

static void invalid_reasons(const struct view *view, json_t *reasons)
{
    const struct tally *t = view->total;
    const struct accounting *a = &t->accounting;
    for (int i = PAYLOAD_OK + 1; i < PAYLOAD_FOREIGN; i++) {
        if (t->content_faults[i] > 0)
            add_reason(reasons, "%llu replies %s (%s)",
                       (unsigned long long)t->content_faults[i], fault_words[i],
                       payload_fault_names[i]);
    }
    if (!view->result->complete) {
        int worst = 0;
        for (int i = 1; i < FAULTS; i++) {
            if (t->connection_faults[i] > t->connection_faults[worst])
                worst = i;
        }
        bool any = t->connection_faults[worst] > 0;
        add_reason(reasons, "the run ended early: %s%s%s%s",
                   view->result->reason, any ? " (" : "",
                   any ? fault_words_of_connections[worst] : "",
                   any ? ")" : "");
    }
    if (view->course->stream) {
        for (int i = 0; i < FAULTS; i++) {
            if (t->connection_faults[i] > 0 && i != FAULT_CONTENT)
                add_reason(reasons, "%llu connections failed: %s",
                           (unsigned long long)t->connection_faults[i],
                           fault_words_of_connections[i]);
        }
        if (t->flows_connected < t->flows_offered)
            add_reason(reasons, "only %llu of %llu connections were made",
                       (unsigned long long)t->flows_connected,
                       (unsigned long long)t->flows_offered);
    } else if (t->udp.duplicate > 0) {
        add_reason(reasons, "%llu duplicate replies: the server answered twice",
                   (unsigned long long)t->udp.duplicate);
    }
    if (a->ok == 0)
        add_reason(reasons, "no request was answered");
    if (a->scheduled != a->sent + a->skipped ||
        a->sent != a->ok + a->error + a->timeout + a->unfinished ||
        a->error != sum(a->errors, FAULTS))
        add_reason(reasons, "the accounting does not close");
}

/* Was the schedule kept, and was it answered? */
static const char *judge_open_loop(const struct view *view, json_t *reasons)
{
    const struct tally *t = view->total;
    double lateness = (double)hist_quantile(&t->lateness, 0.99);
    double response = (double)hist_quantile(&t->response, 0.5);
    double offered = (double)t->accounting.scheduled;
    if (lateness > LATENESS_LIMIT * response) {
        add_reason(reasons,
                   "sends were late: p99 %.1f us, more than a tenth of the "
                   "response time's p50 of %.1f us",
                   lateness / 1e3, response / 1e3);
        return "generator_bound";
    }
    if ((double)t->accounting.ok < ACHIEVED_LIMIT * offered) {
        add_reason(reasons,
                   "%llu of the %llu requests that were due were answered in "
                   "time",
                   (unsigned long long)t->accounting.ok,
                   (unsigned long long)t->accounting.scheduled);
        return "server_bound";
    }
    return "ok";
}

/* True, with reasons, when the rate did not hold still. */
static bool judge_steadiness(const struct view *view, json_t *reasons)
{
    double drift = drift_of(view);
    double little = little_of(view);
    bool drifting = fabs(drift) > DRIFT_LIMIT;
    bool leaking =
        view->window_s >= LITTLE_WINDOW_S && fabs(little - 1) > LITTLE_LIMIT;
    if (drifting)
        add_reason(
            reasons,
            "the rate drifted: the second half of the window differs by %+.0f "
            "%% from the first",
            100 * drift);
    if (leaking)
        add_reason(reasons,
                   "Little's law is off: rate x response time holds %.2f of "
                   "the clients",
                   little);
    return drifting || leaking;
}

static void put_verdict(json_t *report, const struct view *view)
{
    json_t *verdict = put_object(report, "verdict");
    json_t *reasons = json_array();
    invalid_reasons(view, reasons);
    const char *status = json_array_size(reasons) > 0 ? "invalid" : "ok";
    double busiest = 0;
    for (uint32_t i = 0; i < view->course->threads; i++) {
        const struct run_thread *thread = &view->result->threads[i];
        double ns = busy(thread->cpu_window_ns, thread->idle_window_ns);
        double share = view->window_s > 0 ? ns / 1e9 / view->window_s : 0;
        busiest = share > busiest ? share : busiest;
    }
    if (strcmp(status, "ok") == 0 && view->course->rate_per_s > 0)
        status = judge_open_loop(view, reasons);
    else if (strcmp(status, "ok") == 0 && busiest > BUSY_LIMIT) {
        status = "generator_bound";
        add_reason(reasons,
                   "a thread of the generator was busy for %.2f of the window: "
                   "throughput and latency may be its own",
                   busiest);
    }
    /* Of datagrams lost ones are the measurement; of streams they say that
     * something stood still for longer than the patience of a client. */
    const struct accounting *a = &view->total->accounting;
    if (view->course->stream && a->timeout > 0) {
        if (strcmp(status, "invalid") != 0)
            status = "unstable";
        add_reason(reasons, "%llu of %llu requests were not answered in time",
                   (unsigned long long)a->timeout, (unsigned long long)a->sent);
    }
    if (judge_steadiness(view, reasons) && strcmp(status, "invalid") != 0)
        status = "unstable";
    put_text(verdict, "status", status);
    put_json(verdict, "reasons", reasons);
}

json_t *summary_make(const struct plan *plan, const struct run_result *result,
                     json_t *before, int argc, char *const *argv)
{
    const struct tally *total = &result->total;
    struct view view = {.plan = plan,
                        .course = &plan->course,
                        .result = result,
                        .total = total};
    if (total->window_end_ns > total->window_begin_ns &&
        total->window_begin_ns > 0)
        view.window_s =
            (double)(total->window_end_ns - total->window_begin_ns) / 1e9;
    json_t *report = json_object();
    json_t *schema = put_object(report, "schema");
    put_text(schema, "name", "sockbench-load");
    put_count(schema, "version", SCHEMA_VERSION);
    put_tool(report, "tool", BUILD_LIBURING);
    put_run(report, &view, argc, argv);
    put_config(report, &plan->options);
    host_put_environment(report, "environment");
    json_t *environment = json_object_get(report, "environment");
    put_json(environment, "before", before);
    put_json(environment, "after", host_state());
    char address[ADDRESS_TEXT_MAX];
    json_t *target = put_object(report, "target");
    put_text(target, "address", address_format(&plan->course.target, address));
    put_text(target, "transport", plan->course.stream ? "stream" : "datagram");
    put_server(report, &view);
    put_load(report, &view);
    put_window(report, &view);
    put_accounting(report, &total->accounting);
    put_throughput(report, &view);
    put_latency(report, &view);
    put_udp(report, &view);
    put_null(report, "tcp");
    put_generator(report, &view);
    put_intervals(report, &view);
    put_evidence(report, &view);
    put_verdict(report, &view);
    return report;
}

int summary_exit_code(const json_t *report)
{
    const json_t *verdict = json_object_get(report, "verdict");
    const char *status = json_string_value(json_object_get(verdict, "status"));
    return status && strcmp(status, "invalid") != 0 ? EXIT_PASS
                                                    : EXIT_INCONCLUSIVE;
}
