#include "bench/report/table.h"

#include "bench/report/figures.h"
#include "bench/report/losses_text.h"
#include "servers/cli/units.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Which columns a block needs beside those that every block has. */
struct columns {
    bool size, offered, swept, workers, lost;
    int server_width, swept_width, served_width;
};

bool table_is_same_block(const struct cell *a, const struct cell *b)
{
    return a->load == b->load && a->server->transport == b->server->transport &&
           a->server->ipv6 == b->server->ipv6 &&
           strcmp(a->server->service, b->server->service) == 0;
}

static int wider(int width, const char *text)
{
    int length = (int)strlen(text);
    return length > width ? length : width;
}

#define SERVED_TEXT_MAX (2 * UNITS_TEXT_MAX + 4)

/* "1 of 64"; "-" where nobody was to be served. */
static const char *served_text(const struct summary *summary,
                               char text[static SERVED_TEXT_MAX])
{
    char served[UNITS_TEXT_MAX];
    char offered[UNITS_TEXT_MAX];
    if (summary->flows_offered == 0)
        return "-";
    snprintf(text, SERVED_TEXT_MAX, "%s of %s",
             units_format_count(summary->flows_served, served),
             units_format_count(summary->flows_offered, offered));
    return text;
}

static struct columns columns_of(const struct run *run, const struct cell *head)
{
    struct columns columns = {
        .server_width = 6, .swept_width = 5, .served_width = 9};
    for (size_t i = 0; i < run->matrix->count; i++) {
        const struct cell *cell = &run->matrix->cells[i];
        if (!table_is_same_block(cell, head))
            continue;
        columns.size |= cell->size_bytes != head->size_bytes;
        columns.offered |= cell->rate_per_s < head->rate_per_s ||
                           cell->rate_per_s > head->rate_per_s;
        columns.swept |= cell->swept_else[0] != '\0';
        columns.workers |= cell_workers(&run->results[i]) > 0;
        columns.server_width = wider(columns.server_width, cell->server->name);
        struct summary summary;
        char served[SERVED_TEXT_MAX];
        summary_of(run->results[i].measured, &summary);
        columns.served_width =
            wider(columns.served_width, served_text(&summary, served));
        if (cell->swept_else[0])
            columns.swept_width =
                wider(columns.swept_width, cell->swept_else + 1);
    }
    columns.lost = head->server->transport == TRANSPORT_UDP;
    return columns;
}

/* Closed loops are the ordinary case, and pass without a word. */
static void print_loop(const struct cell *head, const struct columns *columns,
                       FILE *out)
{
    char rate[FIGURE_MAX];
    if (head->one_way)
        fputs(", one way", out);
    if (columns->offered)
        fprintf(out, ", open loop");
    else if (head->rate_per_s > 0)
        fprintf(out, ", open loop, %s/s", figure_count(head->rate_per_s, rate));
}

static void print_heading(const struct run *run, const struct cell *head,
                          const struct columns *columns, FILE *out)
{
    char size[UNITS_TEXT_MAX];
    const struct scenario_load *load = head->load;
    fprintf(out, "%s: %s%s %s", load->title ? load->title : load->name,
            head->server->transport == TRANSPORT_TCP ? "TCP" : "UDP",
            head->server->ipv6 ? " over IPv6" : "", head->server->service);
    if (!columns->size)
        fprintf(out, ", %s", units_format_bytes(head->size_bytes, size));
    print_loop(head, columns, out);
    const struct settings *extra = &load->server_options;
    for (size_t i = 0; i < extra->count; i++)
        fprintf(out, ", server --%s %s", extra->list[i].name,
                extra->list[i].text);
    fprintf(out, "\n(%s layout: ", layout_name(run->layout));
    if (run->layout->kind == LAYOUT_FREE)
        fprintf(out, "neither side is pinned");
    else if (run->layout->kind == LAYOUT_SHARDED)
        fprintf(out,
                "a worker and a thread of the generator on each of "
                "CPUs %s",
                run->layout->server_cpus);
    else
        fprintf(out, "server on CPU %s, generator on CPU %s",
                run->layout->server_cpus, run->layout->generator_cpus);
    if (run->scenario->repetitions > 1)
        fprintf(out, "; medians of %u", run->scenario->repetitions);
    fprintf(out, ")\n\n  clients");
    if (columns->size)
        fprintf(out, "      size");
    if (columns->offered)
        fprintf(out, "     offered");
    if (columns->swept)
        fprintf(out, "  %-*s", columns->swept_width, "swept");
    fprintf(out,
            "  %-*s%s  %10s %*s        p50        p99"
            "  CPU/request     memory%s\n",
            columns->server_width, "server",
            columns->workers ? "  workers" : "",
            head->one_way ? "arrived/s" : "requests/s", columns->served_width,
            "served", columns->lost ? "   lost" : "");
}

/* A star says that the generator was the limit, not the server. */
static const char *rate_mark(const struct cell_result *result)
{
    const char *verdict = cell_verdict(result);
    if (!verdict)
        return " ";
    if (strcmp(verdict, "generator_bound") == 0)
        return "*";
    return strcmp(verdict, "unstable") == 0 ? "~" : " ";
}

static void print_numbers(const struct cell_result *result,
                          const struct columns *columns, FILE *out)
{
    struct summary s;
    char rate[FIGURE_MAX];
    char served[SERVED_TEXT_MAX];
    char p50[FIGURE_MAX];
    char p99[FIGURE_MAX];
    char cpu[FIGURE_MAX];
    char memory[FIGURE_MAX];
    char workers[24] = "-";
    summary_of(result->measured, &s);
    uint64_t budget = cell_workers(result);
    if (budget > 0)
        snprintf(workers, sizeof workers, "%" PRIu64, budget);
    if (columns->workers)
        fprintf(out, "  %7s", workers);
    fprintf(out, "  %10s%s %*s %10s %10s  %11s %10s",
            figure_count(s.requests_per_s.median, rate), rate_mark(result),
            columns->served_width, served_text(&s, served),
            figure_percentile(s.response_p50_ns.median, s.response_p50_ns.above,
                              s.p50_below_lateness, p50),
            figure_percentile(s.response_p99_ns.median, s.response_p99_ns.above,
                              s.p99_below_lateness, p99),
            figure_duration(s.server_cpu_ns_per_request.median, cpu),
            figure_memory(s.pss_peak_bytes.median, memory));
    if (columns->lost && !isnan(s.lost_ratio.median))
        fprintf(out, "%6.2f%%", 100 * s.lost_ratio.median);
    fputc('\n', out);
}

/* Where in the sweep: said once for all servers there. */
static void print_point(const struct cell *cell, bool first,
                        const struct columns *columns, FILE *out)
{
    char size[UNITS_TEXT_MAX];
    char rate[FIGURE_MAX];
    if (first)
        fprintf(out, "  %7s", units_format_count(cell->connections, size));
    else
        fprintf(out, "  %7s", "");
    if (columns->size)
        fprintf(out, "%10s",
                first ? units_format_bytes(cell->size_bytes, size) : "");
    if (columns->offered)
        fprintf(out, "  %10s",
                first ? figure_count(cell->rate_per_s, rate) : "");
    if (columns->swept)
        fprintf(out, "  %-*s", columns->swept_width,
                first && cell->swept_else[0] ? cell->swept_else + 1 : "");
}

static void print_row(const struct run *run, size_t i, bool first,
                      const struct columns *columns, FILE *out)
{
    const struct cell *cell = &run->matrix->cells[i];
    const struct cell_result *result = &run->results[i];
    print_point(cell, first, columns, out);
    fprintf(out, "  %-*s", columns->server_width, cell->server->name);
    if (json_array_size(result->measured) > 0)
        print_numbers(result, columns, out);
    else if (result->status == CELL_DOES_NOT_APPLY)
        fprintf(out, "  does not apply: %s\n", cell->does_not_apply);
    else if (result->status == CELL_NOT_RUN)
        fprintf(out, "  not run\n");
    else
        fprintf(out, "  %s (see below)\n", cell_status_name(result->status));
}

static bool is_same_point(const struct cell *a, const struct cell *b)
{
    return a->connections == b->connections && a->size_bytes == b->size_bytes &&
           strcmp(a->swept, b->swept) == 0;
}

/* Whether an earlier cell stands for i already: in the same block, and with
 * same_point at the same point. */
static bool was_before(const struct run *run, size_t i, bool same_point)
{
    const struct cell *cells = run->matrix->cells;
    for (size_t k = 0; k < i; k++) {
        if (table_is_same_block(&cells[k], &cells[i]) &&
            (!same_point || is_same_point(&cells[k], &cells[i])))
            return true;
    }
    return false;
}

static void print_block(const struct run *run, size_t head, FILE *out)
{
    const struct cell *cells = run->matrix->cells;
    struct columns columns = columns_of(run, &cells[head]);
    print_heading(run, &cells[head], &columns, out);
    for (size_t p = head; p < run->matrix->count; p++) {
        if (!table_is_same_block(&cells[p], &cells[head]) ||
            was_before(run, p, true))
            continue;
        for (size_t i = p; i < run->matrix->count; i++) {
            if (table_is_same_block(&cells[i], &cells[head]) &&
                is_same_point(&cells[i], &cells[p]))
                print_row(run, i, i == p, &columns, out);
        }
    }
    fputc('\n', out);
}

/* What the percentiles of a cell need a word on. */
struct percentile_marks {
    bool few, censored, below;
};

static void mark_percentiles(const struct cell_result *result, bool one_way,
                             struct percentile_marks *marks)
{
    struct summary s;
    summary_of(result->measured, &s);
    if (s.requests_per_s.n == 0)
        return;
    marks->few |= !one_way && isnan(s.response_p99_ns.median);
    marks->censored |= isinf(s.response_p99_ns.median) != 0;
    marks->below |= s.p50_below_lateness || s.p99_below_lateness;
}

static void print_legend(const struct run *run, FILE *out)
{
    bool generator = false;
    bool unstable = false;
    struct percentile_marks marks = {0};
    for (size_t i = 0; i < run->matrix->count; i++) {
        const char *mark = rate_mark(&run->results[i]);
        generator |= *mark == '*';
        unstable |= *mark == '~';
        mark_percentiles(&run->results[i], run->matrix->cells[i].one_way,
                         &marks);
    }
    if (generator)
        fprintf(out, "* the generator was the limit, or late with an open "
                     "loop's schedule:\n  the server may be better than this; "
                     "its CPU per request holds\n");
    if (unstable)
        fprintf(out,
                "~ after a rate: it was not steady, or others used the CPUs: "
                "the report says which\n");
    if (marks.below)
        fprintf(out, "~ before a percentile: it is below what the generator "
                     "was late by (p99)\n");
    if (marks.censored)
        fprintf(out, "> so many requests were given up after the timeout that "
                     "the percentile is\n  one of them\n");
    if (marks.few)
        fprintf(out, "- under p99: not known, fewer than ten samples lie "
                     "beyond it\n");
    if (generator || unstable || marks.below || marks.censored || marks.few)
        fputc('\n', out);
}

void table_print(const struct run *run, FILE *out)
{
    fputc('\n', out);
    for (size_t i = 0; i < run->matrix->count; i++) {
        if (!was_before(run, i, false))
            print_block(run, i, out);
    }
    print_legend(run, out);
    losses_print(run, out);
}

void table_print_failures(const struct run *run, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < run->matrix->count; i++) {
        const struct cell_result *result = &run->results[i];
        if (result->status != CELL_FAILED && result->status != CELL_SKIPPED)
            continue;
        fprintf(out, "%s: %s: %s\n", cell_status_name(result->status),
                run->matrix->cells[i].key, result->reason);
        any = true;
    }
    if (any)
        fputc('\n', out);
}
