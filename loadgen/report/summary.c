#include "loadgen/report/summary.h"

#include "loadgen/measure/host.h"
#include "loadgen/measure/report.h"
#include "loadgen/report/config.h"
#include "loadgen/report/stream_json.h"
#include "loadgen/report/view.h"

#include "build_facts.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION 1
#define ARRIVAL_SAMPLES 10000

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
                                          "per_worker",
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
    put_text(out, "pacing",
             course->spin_ns == UINT64_MAX ? "spin"
             : course->spin_ns > 0         ? "sleep-then-spin"
                                           : "block");
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

static void put_size(json_t *load, const struct view *view)
{
    const struct sizes *sizes = &view->course->payload.sizes;
    json_t *out = put_object(load, "size");
    put_text(out, "how", sizes_kind_names[sizes->kind]);
    put_count(out, "min_bytes", sizes->least_bytes);
    put_count(out, "max_bytes", sizes->most_bytes);
    put_real(out, "mean_bytes", sizes_mean(sizes));
    put_ratio(out, "achieved_mean_bytes", (double)view->total->sent_bytes,
              (double)view->total->accounting.sent);
}

static void put_idle_clients(json_t *load, const struct view *view)
{
    const struct idlers_words *words = &view->course->idlers;
    const struct idlers_counts *counts = &view->result->idlers;
    if (words->count == 0) {
        put_null(load, "idle_clients");
        return;
    }
    json_t *out = put_object(load, "idle_clients");
    put_count(out, "count", words->count);
    put_count(out, "idle_ns", words->idle_ns);
    put_count(out, "connected", counts->connected);
    put_count(out, "served", counts->served);
    put_count(out, "failed", counts->failed);
}

static void put_remote(json_t *load, const struct view *view)
{
    const struct load_options *options = &view->plan->options;
    if (!view->course->remote) {
        put_null(load, "remote");
        return;
    }
    json_t *out = put_object(load, "remote");
    put_count(out, "max_connections", options->remote_max_connections);
    put_real(out, "max_requests_per_s", options->remote_max_rate_per_s);
    put_real(out, "max_bits_per_s", options->remote_max_bits_per_s);
    put_count(out, "held_back", view->total->held_back);
}

static void put_load(json_t *report, const struct view *view)
{
    const struct course *course = view->course;
    const struct tally *total = view->total;
    json_t *load = put_object(report, "load");
    put_text(load, "model", course->rate_per_s > 0 ? "open" : "closed");
    put_text(load, "layout", placement_name(&view->plan->placement));
    put_arrival(load, view);
    put_text(load, "engine", course->engine->name);
    put_text(load, "engine_note", view->plan->engine_note);
    put_flag(load, "one_way", course->one_way);
    put_flag(load, "udp_offload", course->udp_offload);
    put_text(load, "udp_offload_note", view->plan->udp_offload_note);
    put_count(load, "connections", course->connections);
    put_count(load, "threads", course->threads);
    put_count(load, "pipeline", course->depth);
    put_size(load, view);
    put_idle_clients(load, view);
    put_remote(load, view);
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
    put_real(
        out, "interval_median_per_s",
        evidence_interval_median(view, 0, evidence_whole_intervals(view), 3));
}

static void put_generator(json_t *report, const struct view *view)
{
    const struct tally *total = view->total;
    json_t *out = put_object(report, "generator");
    put_count(out, "requests_total", total->answered_total);
    double busy_ns = 0;
    for (uint32_t i = 0; i < view->course->threads; i++) {
        const struct run_thread *thread = &view->result->threads[i];
        busy_ns += evidence_busy_ns(&thread->usage, thread->idle_window_ns);
    }
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
        put_count(row, "cpu_window_ns", thread->usage.cpu_ns);
        if (thread->usage.waited_known)
            put_count(row, "waited_ns", thread->usage.waited_ns);
        else
            put_null(row, "waited_ns");
        put_count(row, "voluntary_context_switches",
                  thread->usage.voluntary_switches);
        put_count(row, "involuntary_context_switches",
                  thread->usage.involuntary_switches);
        put_ratio(row, "busy_ratio",
                  evidence_busy_ns(&thread->usage, thread->idle_window_ns) /
                      1e9,
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
        uint64_t end_ns = (i + 1) * length_ns;
        hist_reset(hist);
        hist_add_slice(hist, &interval->response);
        json_array_append_new(
            list, stream_json_interval(i * length_ns,
                                       end_ns < window_ns ? end_ns : window_ns,
                                       interval, hist));
    }
    free(hist);
}

/* Of the generator's ends; null where the transport is another. */
static void put_tcp(json_t *report, const struct view *view)
{
    const struct tally *total = view->total;
    const struct tcp_facts *tcp = &total->tcp;
    const bool is_tcp =
        view->course->stream && view->course->target.u.any.sa_family != AF_UNIX;
    const bool knows_order = tcp->connections > 0 && tcp->unknown_order == 0;
    if (!is_tcp) {
        put_null(report, "tcp");
        return;
    }
    json_t *out = put_object(report, "tcp");
    put_count(out, "connections", tcp->connections);
    put_text(out, "congestion_control",
             *tcp->congestion_control ? tcp->congestion_control : NULL);
    put_count(out, "segments_sent", tcp->segments_sent);
    put_count(out, "retransmitted", tcp->retransmitted_segments);
    static const char *const of_order[] = {"duplicate_acks", "reordering_seen",
                                           "out_of_order_packets"};
    const uint64_t counts[] = {tcp->duplicate_acks, tcp->reordering_seen,
                               tcp->out_of_order_packets};
    for (size_t i = 0; i < sizeof of_order / sizeof *of_order; i++) {
        if (knows_order)
            put_count(out, of_order[i], counts[i]);
        else
            put_null(out, of_order[i]);
    }
    if (tcp->rtt_count > 0)
        put_count(out, "rtt_min_ns", tcp->rtt_min_ns);
    else
        put_null(out, "rtt_min_ns");
    put_ratio(out, "rtt_mean_ns", (double)tcp->rtt_sum_ns,
              (double)tcp->rtt_count);
    put_count(out, "order_violations", total->content_faults[PAYLOAD_SEQUENCE]);
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
    put_config(report, &load_option_table, &plan->options);
    host_put_environment(report, "environment");
    json_t *environment = json_object_get(report, "environment");
    put_null(environment, "namespace"); /* known to whoever made it */
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
    put_tcp(report, &view);
    put_generator(report, &view);
    put_intervals(report, &view);
    put_stationarity(report, &view);
    put_evidence(report, &view);
    put_verdict(report, &view);
    return report;
}
