/*
 * The sentences under the table. Each says only what the cells say: who served
 * everybody, and, where the generator was not the limit, who answered most.
 */
#include "bench/table.h"
#include "servers/cli/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_COLUMNS 78
#define WORTH_SAYING 1.1 /* differences below drown in the noise of one run */

/* The cells of one block at the point with the most clients. */
struct point {
    const struct run *run;
    size_t cells[SCENARIO_ROWS_MAX];
    struct summary summaries[SCENARIO_ROWS_MAX];
    size_t count;
};

static bool served_all(const struct summary *s)
{
    return s->flows_served >= s->flows_offered;
}

static const char *name_of(const struct point *point, size_t i)
{
    return point->run->matrix->cells[point->cells[i]].server->name;
}

static void gather(const struct run *run, size_t head, struct point *point)
{
    const struct cell *cells = run->matrix->cells;
    size_t most = head;
    for (size_t i = head; i < run->matrix->count; i++) {
        if (table_is_same_block(&cells[i], &cells[head]) &&
            cells[i].size_bytes == cells[head].size_bytes &&
            strcmp(cells[i].swept, cells[head].swept) == 0 &&
            cells[i].connections > cells[most].connections)
            most = i;
    }
    point->run = run;
    point->count = 0;
    for (size_t i = head; i < run->matrix->count; i++) {
        if (point->count == SCENARIO_ROWS_MAX ||
            !table_is_same_block(&cells[i], &cells[most]) ||
            cells[i].connections != cells[most].connections ||
            cells[i].size_bytes != cells[most].size_bytes ||
            strcmp(cells[i].swept, cells[most].swept) != 0 ||
            json_array_size(run->results[i].measured) == 0)
            continue;
        summary_of(run->results[i].measured, &point->summaries[point->count]);
        point->cells[point->count++] = i;
    }
}

/* "a, b and c": the servers that served all (or those that did not). */
static void say_names(const struct point *point, bool all, FILE *out)
{
    size_t left = 0;
    for (size_t i = 0; i < point->count; i++)
        left += served_all(&point->summaries[i]) == all;
    for (size_t i = 0; i < point->count; i++) {
        if (served_all(&point->summaries[i]) != all)
            continue;
        fputs(name_of(point, i), out);
        left--;
        if (left > 0)
            fputs(left == 1 ? " and " : ", ", out);
    }
}

static void say_served(const struct point *point, size_t whole, FILE *out)
{
    bool first = true;
    for (size_t i = 0; i < point->count; i++) {
        const struct summary *s = &point->summaries[i];
        if (served_all(s))
            continue;
        fprintf(out, "%s%s served %" PRIu64 " of %" PRIu64, first ? "" : ", ",
                name_of(point, i), s->flows_served, s->flows_offered);
        first = false;
    }
    if (whole > 0) {
        fputs("; ", out);
        say_names(point, true, out);
        fputs(" served all", out);
    }
    fputs(". ", out);
}

static bool rate_counts(const struct point *point, size_t i)
{
    const char *verdict = cell_verdict(&point->run->results[point->cells[i]]);
    return verdict &&
           (strcmp(verdict, "ok") == 0 || strcmp(verdict, "server_bound") == 0);
}

enum measure {
    MEASURE_RATE,
    MEASURE_CPU,
};

static double value_of(const struct point *point, size_t i,
                       enum measure measure)
{
    const struct summary *s = &point->summaries[i];
    return measure == MEASURE_RATE ? s->requests_per_s.median
                                   : s->server_cpu_ns_per_request.median;
}

/* The greatest and the least of those that served all. False when there are
 * not two, or when the numbers do not carry a comparison. */
static bool extremes(const struct point *point, enum measure measure,
                     size_t *ret_most, size_t *ret_least)
{
    size_t found = 0;
    for (size_t i = 0; i < point->count; i++) {
        if (!served_all(&point->summaries[i]))
            continue;
        double value = value_of(point, i, measure);
        if (isnan(value) || value <= 0 ||
            (measure == MEASURE_RATE && !rate_counts(point, i)))
            return false;
        if (found == 0 || value > value_of(point, *ret_most, measure))
            *ret_most = i;
        if (found == 0 || value < value_of(point, *ret_least, measure))
            *ret_least = i;
        found++;
    }
    return found >= 2 &&
           value_of(point, *ret_most, measure) >=
               WORTH_SAYING * value_of(point, *ret_least, measure);
}

static bool say_extremes(const struct point *point, FILE *out)
{
    size_t most = 0;
    size_t least = 0;
    char text[UNITS_TEXT_MAX];
    char other[UNITS_TEXT_MAX];
    if (extremes(point, MEASURE_RATE, &most, &least)) {
        double rate = value_of(point, most, MEASURE_RATE);
        double ratio = rate / value_of(point, least, MEASURE_RATE);
        fprintf(out,
                "%s answered most, %s requests/s, %.*f times as many as %s. ",
                name_of(point, most),
                units_format_count((uint64_t)(rate + 0.5), text),
                ratio < 10 ? 1 : 0, ratio, name_of(point, least));
        return true;
    }
    if (!extremes(point, MEASURE_CPU, &most, &least))
        return false;
    fprintf(out,
            "%s used least CPU per request on the server's side, %s; %s used "
            "most, %s. ",
            name_of(point, least),
            units_format_duration((uint64_t)value_of(point, least, MEASURE_CPU),
                                  text),
            name_of(point, most),
            units_format_duration((uint64_t)value_of(point, most, MEASURE_CPU),
                                  other));
    return true;
}

/* One block's sentences. */
static void say_block(const struct run *run, size_t head, FILE *out)
{
    struct point *point = calloc(1, sizeof *point);
    char *text = NULL;
    size_t size = 0;
    FILE *said = open_memstream(&text, &size);
    if (!point || !said)
        goto out;
    gather(run, head, point);
    size_t whole = 0;
    for (size_t i = 0; i < point->count; i++)
        whole += served_all(&point->summaries[i]);
    if (point->count > 0 && whole < point->count)
        say_served(point, whole, said);
    if (point->count > 0)
        say_extremes(point, said);
    fflush(said);
    if (size > 0) {
        const struct cell *cell = &run->matrix->cells[point->cells[0]];
        const struct scenario_load *load = cell->load;
        fprintf(out, "%s, %s, %" PRIu64 " client%s: %s\n",
                load->title ? load->title : load->name,
                cell->server->transport == TRANSPORT_TCP ? "TCP" : "UDP",
                cell->connections, cell->connections == 1 ? "" : "s", text);
    }
out:
    if (said)
        fclose(said);
    free(text);
    free(point);
}

/* Breaks at spaces; a newline of the text begins a new line. */
static void print_wrapped(const char *text, FILE *out)
{
    size_t column = 0;
    while (*text) {
        if (*text == '\n') {
            fputc('\n', out);
            column = 0;
            text++;
            continue;
        }
        size_t length = strcspn(text, " \n");
        if (column > 0 && column + 1 + length > LINE_COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        if (length > 0) {
            column += (size_t)fprintf(out, "%s%.*s", column ? " " : "",
                                      (int)length, text);
        }
        text += length;
        text += *text == ' ';
    }
}

void reading_print(const struct run *run, FILE *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *said = open_memstream(&text, &size);
    if (!said)
        return;
    for (size_t i = 0; i < run->matrix->count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = table_is_same_block(&run->matrix->cells[k],
                                       &run->matrix->cells[i]);
        if (!seen)
            say_block(run, i, said);
    }
    if (run->scenario->reading)
        fprintf(said, "%s\n", run->scenario->reading);
    fclose(said);
    if (text && size > 0) {
        print_wrapped(text, out);
        fputc('\n', out);
    }
    free(text);
}
