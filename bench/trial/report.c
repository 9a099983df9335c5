/* What the one who started the server adds to the load's report. */
#include "bench/trial/parts.h"

#include "bench/program_row.h"
#include "bench/report/aggregate.h"
#include "loadgen/measure/clock.h"
#include "loadgen/measure/report.h"

#include <stdlib.h>
#include <string.h>

static uint64_t beyond(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0;
}

static void put_known(json_t *object, const char *key, uint64_t value)
{
    if (value > 0)
        put_count(object, key, value);
    else
        put_null(object, key);
}

/* What the server had to do with: replies or, one way, what came to it. */
static double served_of(const json_t *report)
{
    static const char *const answered[] = {"generator", "requests_total", NULL};
    static const char *const arrived[] = {"udp", "loss_where", "arrived", NULL};
    const json_t *load = json_object_get(report, "load");
    const bool one_way = json_is_true(json_object_get(load, "one_way"));
    return json_number_at(report, one_way ? arrived : answered);
}

static void put_cpu(struct trial *trial, json_t *server)
{
    const struct usage *before = &trial->before;
    const struct usage *after = &trial->after;
    double cpu_ns = (double)beyond(after->cpu_ns + after->gone_ns,
                                   before->cpu_ns + before->gone_ns);
    double user = (double)beyond(after->user_ns, before->user_ns);
    double system = (double)beyond(after->system_ns, before->system_ns);
    /* The sum is in ns, its parts in ticks: the parts only divide the sum. */
    if (user + system > 0) {
        uint64_t user_ns = (uint64_t)(cpu_ns * user / (user + system));
        put_count(server, "cpu_user_ns", user_ns);
        put_count(server, "cpu_system_ns", (uint64_t)cpu_ns - user_ns);
    } else {
        put_null(server, "cpu_user_ns");
        put_null(server, "cpu_system_ns");
    }
    trial->result->cpu_source = after->gone_ns > before->gone_ns
                                    ? "process_clocks+gone_children"
                                    : "process_clocks";
    put_ratio(server, "cpu_ns_per_request", cpu_ns,
              served_of(trial->result->report));
}

static const char *workers_of(const struct trial *trial)
{
    const struct cell *cell = trial->plan->cell;
    const char *text =
        json_string_value(json_object_get(trial->ready, "workers"));
    if (!text)
        text = settings_get(&cell->load->server_options, "workers");
    if (!text)
        text = settings_get(&cell->server->options, "workers");
    return text;
}

/* As the server counted them. Of datagrams there are no connections. */
static void put_per_worker(const struct trial *trial, const json_t *counters,
                           json_t *server)
{
    json_t *workers = json_object_get(counters, "per_worker");
    const bool datagrams =
        trial->plan->cell->server->transport == TRANSPORT_UDP;
    size_t i;
    json_t *worker;
    json_array_foreach(workers, i, worker)
    {
        if (datagrams)
            put_null(worker, "connections");
    }
    put_json(server, "per_worker",
             workers ? json_incref(workers) : json_null());
}

/* What the server used, and on CPUs that both may use the load as well. */
static void describe_others(struct trial *trial)
{
    const struct layout *layout = trial->plan->layout;
    const struct usage *before = &trial->before;
    const struct usage *after = &trial->after;
    const struct rusage *load = &trial->generator.usage;
    uint64_t used_ns = beyond(after->cpu_ns + after->gone_ns,
                              before->cpu_ns + before->gone_ns);
    if (!layout_is_apart(layout))
        used_ns +=
            (uint64_t)(load->ru_utime.tv_sec + load->ru_stime.tv_sec) *
                NS_PER_S +
            (uint64_t)(load->ru_utime.tv_usec + load->ru_stime.tv_usec) * 1000;
    foreign_put(&trial->foreign, layout->server_cpus, used_ns,
                trial->result->report);
}

/* What the generator could not know of the server. */
static void describe_server(struct trial *trial, const json_t *counters)
{
    const struct scenario_server *row = trial->plan->cell->server;
    const struct rusage *used = &trial->server.usage;
    const char *workers = workers_of(trial);
    if (!trial->result->report || !trial_is_ours(trial))
        return;
    json_t *server = put_object(trial->result->report, "server");
    put_program(server, row);
    put_text(server, "service", row->service);
    put_known(server, "workers", workers ? strtoull(workers, NULL, 10) : 0);
    put_per_worker(trial, counters, server);
    put_json(server, "ready", json_incref(trial->ready));
    put_count(server, "pid", (uint64_t)trial->server.pid);
    put_cpu(trial, server);
    put_known(server, "rss_peak_bytes", trial->rss_bytes);
    put_known(server, "pss_peak_bytes", trial->pss_bytes);
    /* From wait4: it keeps the switches of threads that are gone. */
    put_count(server, "voluntary_context_switches",
              beyond((uint64_t)used->ru_nvcsw, trial->before.voluntary));
    put_count(server, "involuntary_context_switches",
              beyond((uint64_t)used->ru_nivcsw, trial->before.involuntary));
}

/* Where the two lived, and what became of their datagrams there. */
static void describe_space(struct trial *trial, json_t *counters)
{
    json_t *environment = json_object_get(trial->result->report, "environment");
    const char *model =
        trial_is_ours(trial) ? trial->plan->cell->server->model : NULL;
    if (!environment)
        return;
    json_t *space = put_object(environment, "namespace");
    put_text(space, "kind", trial->is_private ? "private" : "host");
    put_text(space, "reason",
             trial_is_ours(trial)
                 ? (trial->is_private ? NULL : trial->space_reason)
                 : "the server was there already");
    /* Only once it has ended are its counters whole. */
    attribution_put(&trial->attribution, counters,
                    model && strcmp(model, "gso") == 0, trial->result->report);
}

void trial_describe(struct trial *trial)
{
    const struct tail *told = &trial->server.counters;
    json_t *counters = json_loadb(told->bytes, told->length, 0, NULL);
    describe_server(trial, counters);
    describe_others(trial);
    describe_space(trial, counters);
    json_decref(counters);
}
