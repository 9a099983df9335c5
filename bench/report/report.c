#include "bench/report/report.h"

#include "bench/program_row.h"
#include "bench/trial/attribution.h"
#include "loadgen/measure/report.h"
#include "servers/cli/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION 1

const char *cell_status_name(enum cell_status status)
{
    static const char *const names[] = {"not_run", "ok", "failed", "skipped",
                                        "does_not_apply"};
    return names[status];
}

int run_init(struct run *run, int argc, char **argv)
{
    run->results = calloc(run->matrix->count + 1, sizeof *run->results);
    run->trials = json_array();
    run->identity = json_object();
    if (!run->results || !run->trials || !run->identity)
        return -ENOMEM;
    put_new_id(run->identity, "id");
    put_utc_now(run->identity, "created_utc");
    put_null(run->identity, "complete"); /* settled in the end */
    put_null(run->identity, "reason");
    put_count(run->identity, "seed", run->scenario->seed);
    json_t *words = put_array(run->identity, "argv");
    for (int i = 0; i < argc; i++)
        json_array_append_new(words, json_string(argv[i]));
    for (size_t i = 0; i < run->matrix->count; i++) {
        const struct cell *cell = &run->matrix->cells[i];
        struct cell_result *result = &run->results[i];
        result->repetitions = json_array();
        result->measured = json_array();
        if (!cell->does_not_apply)
            continue;
        result->status = CELL_DOES_NOT_APPLY;
        snprintf(result->reason, sizeof result->reason, "%s",
                 cell->does_not_apply);
    }
    return 0;
}

void run_done(struct run *run)
{
    for (size_t i = 0; run->results && i < run->matrix->count; i++) {
        json_decref(run->results[i].repetitions);
        json_decref(run->results[i].measured);
    }
    free(run->results);
    json_decref(run->trials);
    json_decref(run->identity);
}

static enum cell_status status_after(enum cell_status before,
                                     enum trial_status trial)
{
    if (before == CELL_FAILED || trial == TRIAL_FAILED)
        return CELL_FAILED;
    if (before == CELL_SKIPPED || trial == TRIAL_SKIPPED)
        return CELL_SKIPPED;
    return trial == TRIAL_OK ? CELL_OK : before;
}

void run_add(struct run *run, const struct slot *slot,
             struct trial_result *result)
{
    struct cell_result *cell = &run->results[slot->cell];
    json_t *row = json_object();
    put_text(row, "cell", run->matrix->cells[slot->cell].key);
    put_count(row, "repetition", slot->repetition);
    put_text(row, "status", trial_status_name(result->status));
    put_text(row, "reason", *result->reason ? result->reason : NULL);
    put_text(row, "server_cpu_source", result->cpu_source);
    json_array_append_new(run->trials, row);
    cell->status = status_after(cell->status, result->status);
    if (*cell->reason == '\0' && result->status != TRIAL_INTERRUPTED)
        snprintf(cell->reason, sizeof cell->reason, "%s", result->reason);
    if (!result->report)
        return;
    if (result->status == TRIAL_OK)
        json_array_append(cell->measured, result->report);
    json_array_append_new(cell->repetitions, result->report);
    result->report = NULL;
}

bool cell_withdraws(const struct cell_result *result, const char *claim)
{
    size_t i;
    const json_t *report;
    json_array_foreach(result->measured, i, report)
    {
        const json_t *verdict = json_object_get(report, "verdict");
        size_t k;
        const json_t *item;
        json_array_foreach(json_object_get(verdict, "withdrawn"), k, item)
        {
            if (json_is_string(item) &&
                strcmp(json_string_value(item), claim) == 0)
                return true;
        }
    }
    return false;
}

const char *cell_verdict(const struct cell_result *result)
{
    const char *worst = NULL;
    size_t i;
    json_t *report;
    json_array_foreach(result->measured, i, report)
    {
        const char *status = json_string_value(
            json_object_get(json_object_get(report, "verdict"), "status"));
        if (status && (!worst || strcmp(worst, "ok") == 0 ||
                       strcmp(worst, "server_bound") == 0))
            worst = status;
    }
    return worst;
}

uint64_t cell_workers(const struct cell_result *result)
{
    json_t *server =
        json_object_get(json_array_get(result->measured, 0), "server");
    json_int_t workers = json_integer_value(json_object_get(server, "workers"));
    return workers > 0 ? (uint64_t)workers : 0;
}

static void put_settings(json_t *object, const struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        put_text(object, settings->list[i].name, settings->list[i].text);
}

static void put_server(json_t *object, const struct cell *cell,
                       const struct cell_result *result)
{
    const struct scenario_server *row = cell->server;
    json_t *server = put_object(object, "server");
    put_text(server, "name", row->name);
    put_program(server, row);
    put_text(server, "transport", transport_name(row->transport));
    put_text(server, "family", row->ipv6 ? "ipv6" : "ipv4");
    put_text(server, "service", row->service);
    uint64_t workers = cell_workers(result);
    if (workers > 0)
        put_count(server, "workers", workers);
    else
        put_null(server, "workers");
    json_t *options = put_object(server, "options");
    put_settings(options, &row->options);
    put_settings(options, &cell->load->server_options);
}

static void put_load(json_t *object, const struct scenario *scenario,
                     const struct cell *cell)
{
    json_t *load = put_object(object, "load");
    put_text(load, "name", cell->load->name);
    put_text(load, "title", cell->load->title);
    put_count(load, "connections", cell->connections);
    put_count(load, "size_bytes", cell->size_bytes);
    json_t *options = put_object(load, "options");
    put_settings(options, &cell->load->options);
    for (size_t i = 0; i < scenario->sweep_count; i++)
        put_text(options, scenario->sweeps[i].name, cell->values[i]);
}

static json_t *cell_json(const struct run *run, size_t i)
{
    const struct cell *cell = &run->matrix->cells[i];
    const struct cell_result *result = &run->results[i];
    struct summary summary;
    json_t *object = json_object();
    put_text(object, "key", cell->key);
    put_server(object, cell, result);
    put_load(object, run->scenario, cell);
    put_text(object, "layout", layout_name(run->layout));
    put_text(object, "status", cell_status_name(result->status));
    put_text(object, "reason", *result->reason ? result->reason : NULL);
    put_text(object, "verdict", cell_verdict(result));
    if (json_array_size(result->measured) > 0) {
        summary_of(result->measured, &summary);
        json_t *json = summary_json(&summary);
        put_json(json, "loss_where", attribution_sum(result->measured));
        put_json(object, "summary", json);
    } else {
        put_null(object, "summary");
    }
    put_json(object, "repetitions", json_incref(result->repetitions));
    return object;
}

static void put_scenario(json_t *report, const struct scenario *scenario)
{
    json_t *object = put_object(report, "scenario");
    put_text(object, "name", scenario->name);
    put_text(object, "title", scenario->title);
    put_text(object, "description", scenario->description);
    put_text(object, "reading", scenario->reading);
    put_count(object, "repetitions", scenario->repetitions);
    put_json(object, "file", json_incref(scenario->json));
}

static const char *or_null(const char *text)
{
    return *text ? text : NULL;
}

json_t *run_report_json(const struct run *run)
{
    json_t *report = json_object();
    json_t *schema = put_object(report, "schema");
    put_text(schema, "name", "sockbench-run");
    put_count(schema, "version", SCHEMA_VERSION);
    put_tool(report, "tool", NULL); /* the bench itself uses no ring */
    put_flag(run->identity, "complete", run->complete);
    put_text(run->identity, "reason", run->complete ? NULL : run->reason);
    put_json(report, "run", json_incref(run->identity));
    put_scenario(report, run->scenario);
    json_t *layout = put_object(report, "layout");
    put_text(layout, "name", layout_name(run->layout));
    put_text(layout, "server_cpus", or_null(run->layout->server_cpus));
    put_text(layout, "generator_cpus", or_null(run->layout->generator_cpus));
    put_flag(layout, "apart", layout_is_apart(run->layout));
    put_json(report, "trials", json_incref(run->trials));
    json_t *cells = put_array(report, "cells");
    for (size_t i = 0; i < run->matrix->count; i++)
        json_array_append_new(cells, cell_json(run, i));
    return report;
}

/* The receive buffer that the server asked for; null: the kernel's default. */
static void put_rcvbuf(json_t *row, const struct cell *cell)
{
    uint64_t bytes = 0;
    const char *text = settings_get(&cell->load->server_options, "rcvbuf");
    if (!text)
        text = settings_get(&cell->server->options, "rcvbuf");
    if (text && units_parse_bytes(text, &bytes) == 0)
        put_count(row, "server_rcvbuf_bytes", bytes);
    else
        put_null(row, "server_rcvbuf_bytes");
}

static json_t *row_json(const struct run *run, size_t i)
{
    const struct cell *cell = &run->matrix->cells[i];
    const struct cell_result *result = &run->results[i];
    struct summary s;
    json_t *row = json_object();
    summary_of(result->measured, &s);
    bool flows_known = s.flows_offered > 0;
    put_text(row, "cell", cell->key);
    put_text(row, "server", cell->server->name);
    put_text(row, "model", cell->server->model);
    put_text(row, "transport", transport_name(cell->server->transport));
    put_text(row, "service", cell->server->service);
    put_text(row, "load", cell->load->name);
    put_count(row, "connections", cell->connections);
    put_count(row, "size_bytes", cell->size_bytes);
    put_text(row, "layout", layout_name(run->layout));
    put_real(row, "offered_per_s",
             cell->rate_per_s > 0 ? cell->rate_per_s : (double)NAN);
    put_real(row, "achieved_per_s", s.achieved_per_s.median);
    put_real(row, "requests_per_s", s.requests_per_s.median);
    put_real(row, "requests_per_s_lo", s.requests_per_s.min);
    put_real(row, "requests_per_s_hi", s.requests_per_s.max);
    put_real(row, "response_p50_ns", s.response_p50_ns.median);
    put_real(row, "response_p99_ns", s.response_p99_ns.median);
    put_real(row, "server_cpu_ns_per_request",
             s.server_cpu_ns_per_request.median);
    if (flows_known) {
        put_count(row, "flows_offered", s.flows_offered);
        put_count(row, "flows_served", s.flows_served);
    } else {
        put_null(row, "flows_offered");
        put_null(row, "flows_served");
    }
    put_real(row, "lost_ratio", s.lost_ratio.median);
    put_json(row, "loss_where", attribution_sum(result->measured));
    put_rcvbuf(row, cell);
    put_text(row, "status", cell_status_name(result->status));
    put_text(row, "verdict", cell_verdict(result));
    return row;
}

json_t *run_rows_json(const struct run *run)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < run->matrix->count; i++)
        json_array_append_new(rows, row_json(run, i));
    return rows;
}
