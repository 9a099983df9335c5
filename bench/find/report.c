#include "bench/find/report.h"

#include "bench/program_row.h"
#include "bench/report/aggregate.h"
#include "loadgen/measure/report.h"
#include "loadgen/report/config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA_VERSION 1

int find_init(struct find *find, int argc, char **argv)
{
    find->steps = calloc(find->options->max_steps, sizeof *find->steps);
    find->identity = json_object();
    if (!find->steps || !find->identity)
        return -ENOMEM;
    put_new_id(find->identity, "id");
    put_utc_now(find->identity, "created_utc");
    put_null(find->identity, "complete"); /* settled in the end */
    put_null(find->identity, "reason");
    put_count(find->identity, "seed", find->options->load.seed);
    json_t *words = put_array(find->identity, "argv");
    for (int i = 0; i < argc; i++) {
        json_t *word = json_string(argv[i]);
        json_array_append_new(words, word ? word : json_null());
    }
    return 0;
}

void find_done(struct find *find)
{
    for (size_t i = 0; find->steps && i < find->step_count; i++)
        json_decref(find->steps[i].report);
    free(find->steps);
    json_decref(find->identity);
}

/* What was not answered has no number. */
static void put_figure(json_t *object, const char *key, double value)
{
    put_real(object, key, isfinite(value) ? value : (double)NAN);
}

static void put_ns(json_t *object, const char *key, double ns)
{
    if (isfinite(ns))
        put_count(object, key, (uint64_t)ns);
    else
        put_null(object, key);
}

static void put_slo(json_t *report, const struct slo *slo)
{
    json_t *list = put_array(report, "slo");
    for (size_t i = 0; i < slo->count; i++) {
        const struct slo_clause *clause = &slo->clauses[i];
        bool duration = slo_is_duration(clause->quantity);
        json_t *row = json_object();
        put_text(row, "quantity", clause->quantity->name);
        put_ns(row, "limit_ns", duration ? clause->limit : (double)NAN);
        put_real(row, "limit_ratio", duration ? (double)NAN : clause->limit);
        put_text(row, "text", clause->text);
        json_array_append_new(list, row);
    }
}

static void put_server(json_t *report, const struct target *target)
{
    const struct scenario_server *row = &target->server;
    json_t *server = put_object(report, "server");
    put_text(server, "name", target->name);
    put_text(server, "address", target->address);
    put_program(server, row);
    put_text(server, "transport", transport_name(row->transport));
    put_text(server, "family", row->ipv6 ? "ipv6" : "ipv4");
    put_text(server, "service", row->service);
    json_t *options = put_object(server, "options");
    for (size_t i = 0; i < row->options.count; i++)
        put_text(options, row->options.list[i].name, row->options.list[i].text);
}

static void put_layout(json_t *report, const struct layout *layout)
{
    json_t *out = put_object(report, "layout");
    bool known = *layout->server_cpus && *layout->generator_cpus;
    put_text(out, "name", layout_name(layout));
    put_text(out, "server_cpus",
             *layout->server_cpus ? layout->server_cpus : NULL);
    put_text(out, "generator_cpus",
             *layout->generator_cpus ? layout->generator_cpus : NULL);
    if (known)
        put_flag(out, "apart", layout_is_apart(layout));
    else
        put_null(out, "apart");
}

static const char *verdict_of(const struct step *step)
{
    return json_string_value(
        json_object_get(json_object_get(step->report, "verdict"), "status"));
}

static json_t *step_json(const struct step *step)
{
    const struct slo_facts *facts = &step->facts;
    json_t *row = json_object();
    put_count(row, "step", step->number);
    put_text(row, "phase", search_phase_name(step->phase));
    put_flag(row, "again", step->again);
    put_real(row, "rate_per_s", step->rate_per_s);
    put_figure(row, "offered_per_s", facts->offered_per_s);
    put_figure(row, "achieved_per_s", facts->achieved_per_s);
    put_figure(row, "achieved_ratio", facts->achieved_ratio);
    put_ns(row, "p50_ns", facts->p50_ns);
    put_ns(row, "p99_ns", facts->p99_ns);
    put_ns(row, "p999_ns", facts->p999_ns);
    put_ns(row, "max_ns", facts->max_ns);
    put_figure(row, "loss_ratio", facts->loss_ratio);
    put_figure(row, "errors_ratio", facts->errors_ratio);
    put_text(row, "verdict", verdict_of(step));
    put_text(row, "outcome", step_outcome_name(step->outcome));
    put_text(row, "broken_clause", step->clause ? step->clause->text : NULL);
    put_text(row, "reason", *step->reason ? step->reason : NULL);
    if (step->report)
        put_json(row, "report", json_incref(step->report));
    else
        put_null(row, "report");
    return row;
}

static int by_rate(const void *a, const void *b)
{
    const struct step *x = a;
    const struct step *y = b;
    if (x->rate_per_s < y->rate_per_s)
        return -1;
    if (x->rate_per_s > y->rate_per_s)
        return 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

struct step *find_sorted(const struct find *find)
{
    struct step *list = calloc(find->step_count + 1, sizeof *list);
    for (size_t i = 0; list && i < find->step_count; i++)
        list[i] = find->steps[i];
    if (list)
        qsort(list, find->step_count, sizeof *list, by_rate);
    return list;
}

static void put_rate(json_t *object, const char *key, double rate_per_s)
{
    put_real(object, key, rate_per_s > 0 ? rate_per_s : (double)NAN);
}

static bool has_answer(const struct search *search)
{
    return search->end == SEARCH_FOUND || search->end == SEARCH_LOWER_BOUND;
}

static void put_result(json_t *report, const struct find *find)
{
    const struct search *search = find->search;
    char sentence[FIND_SENTENCE_MAX];
    json_t *result = put_object(report, "result");
    find_sentence(find, sentence);
    put_text(result, "status", search_end_name(search->end));
    put_text(result, "bound", search_bound_name(search->bound));
    put_rate(result, "holds_per_s",
             has_answer(search) ? search->held_per_s : (double)NAN);
    put_rate(result, "beyond_per_s", search->beyond_per_s);
    if (has_answer(search)) {
        json_t *again = put_object(result, "remeasured");
        put_count(again, "tried", search->confirm_tried);
        put_count(again, "held", search->confirm_held);
    } else {
        put_null(result, "remeasured");
    }
    put_count(result, "steps", find->step_count);
    put_text(result, "sentence", sentence);
}

json_t *find_report_json(const struct find *find)
{
    json_t *report = json_object();
    json_t *schema = put_object(report, "schema");
    put_text(schema, "name", "sockbench-find");
    put_count(schema, "version", SCHEMA_VERSION);
    put_tool(report, "tool", NULL); /* the bench itself uses no ring */
    put_flag(find->identity, "complete", !find->stopped);
    put_text(find->identity, "reason", find->stopped);
    put_json(report, "run", json_incref(find->identity));
    put_config(report, find_option_table(), find->options);
    put_slo(report, find->slo);
    put_server(report, find->target);
    put_layout(report, &find->target->layout);
    put_result(report, find);
    json_t *curve = put_array(report, "curve");
    struct step *list = find_sorted(find);
    for (size_t i = 0; list && i < find->step_count; i++)
        json_array_append_new(curve, step_json(&list[i]));
    free(list);
    return list ? report : (json_decref(report), NULL);
}

/* The steps at one rate: a point of a graph. */
struct point {
    const struct step *steps;
    size_t count;
};

static double value_of(const struct step *step, const char *key)
{
    if (strcmp(key, "achieved") == 0)
        return step->facts.achieved_per_s;
    if (strcmp(key, "p50") == 0)
        return step->facts.p50_ns;
    if (strcmp(key, "p99") == 0)
        return step->facts.p99_ns;
    if (strcmp(key, "lost") == 0)
        return step->facts.loss_ratio;
    const char *const path[] = {"server", "cpu_ns_per_request", NULL};
    return step->report ? json_number_at(step->report, path) : (double)NAN;
}

static struct spread spread_at(const struct point *point, const char *key)
{
    double *values = calloc(point->count + 1, sizeof *values);
    size_t count = 0;
    for (size_t i = 0; values && i < point->count; i++) {
        double value = value_of(&point->steps[i], key);
        if (isfinite(value))
            values[count++] = value;
    }
    struct spread spread = spread_of(values, count);
    free(values);
    return spread;
}

static json_t *row_json(const struct find *find, const struct point *point)
{
    const struct target *target = find->target;
    const struct step *last = &point->steps[point->count - 1];
    const char *verdict = verdict_of(last);
    struct spread achieved = spread_at(point, "achieved");
    char clauses[SLO_CLAUSES_MAX * SLO_TEXT_MAX];
    json_t *row = json_object();
    put_text(row, "cell", "find");
    put_text(row, "server", target->name);
    put_text(row, "model", target->server.model);
    put_text(row, "transport", transport_name(target->server.transport));
    put_text(row, "service", target->server.service);
    put_text(row, "load", slo_format(find->slo, clauses, sizeof clauses));
    put_count(row, "connections", target->cell.connections);
    put_count(row, "size_bytes", target->cell.size_bytes);
    put_text(row, "layout", layout_name(&target->layout));
    put_real(row, "offered_per_s", last->rate_per_s);
    put_real(row, "achieved_per_s", achieved.median);
    put_real(row, "requests_per_s", achieved.median);
    put_real(row, "requests_per_s_lo", achieved.min);
    put_real(row, "requests_per_s_hi", achieved.max);
    put_real(row, "response_p50_ns", spread_at(point, "p50").median);
    put_real(row, "response_p99_ns", spread_at(point, "p99").median);
    put_real(row, "server_cpu_ns_per_request", spread_at(point, "cpu").median);
    put_null(row, "flows_offered");
    put_null(row, "flows_served");
    put_real(row, "lost_ratio", spread_at(point, "lost").median);
    put_text(row, "status", last->report ? "ok" : "failed");
    put_text(row, "verdict", verdict);
    put_text(row, "outcome", step_outcome_name(last->outcome));
    put_ns(row, "slo_p99_ns", slo_limit_ns(find->slo, 0.99));
    return row;
}

json_t *find_rows_json(const struct find *find)
{
    json_t *rows = json_array();
    struct step *list = find_sorted(find);
    for (size_t i = 0; list && i < find->step_count;) {
        struct point point = {&list[i], 0};
        while (i < find->step_count &&
               list[i].rate_per_s <= point.steps[0].rate_per_s) {
            point.count++;
            i++;
        }
        json_array_append_new(rows, row_json(find, &point));
    }
    free(list);
    return list ? rows : (json_decref(rows), NULL);
}
