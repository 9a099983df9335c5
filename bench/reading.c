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

/* The cells of one block at the point with the most clients. */
struct point {
    const struct run *run;
    size_t cells[SCENARIO_ROWS_MAX];
    struct summary summaries[SCENARIO_ROWS_MAX];
    size_t count;
};

/*
 * The least ratio that is worth a sentence. One run a cell on a machine that
 * does other things as well says nothing about less than a factor of two; it
 * takes repetitions to see less, and pairs to see a few per cent.
 */
static double worth_saying(const struct point *point)
{
    unsigned repetitions = point->run->scenario->repetitions;
    return repetitions >= 5 ? 1.1 : repetitions >= 3 ? 1.3 : 2.0;
}

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

/* Those servers of a point that served all, by one measure. */
struct ranking {
    size_t count;
    size_t best, worst, first; /* first: in the scenario's order */
    double best_value, worst_value, first_value;
};

static double value_of(const struct point *point, size_t i,
                       enum measure measure)
{
    const struct summary *s = &point->summaries[i];
    return measure == MEASURE_RATE ? s->requests_per_s.median
                                   : s->server_cpu_ns_per_request.median;
}

/* False when fewer than two can be compared, or when a number among them does
 * not carry a comparison. */
static bool rank(const struct point *point, enum measure measure,
                 struct ranking *ret_ranking)
{
    struct ranking r = {0};
    for (size_t i = 0; i < point->count; i++) {
        double value = value_of(point, i, measure);
        if (!served_all(&point->summaries[i]))
            continue;
        if (isnan(value) || value <= 0 ||
            (measure == MEASURE_RATE && !rate_counts(point, i)))
            return false;
        bool more = measure == MEASURE_RATE ? value > r.best_value
                                            : value < r.best_value;
        bool less = measure == MEASURE_RATE ? value < r.worst_value
                                            : value > r.worst_value;
        if (r.count == 0) {
            r.first = i;
            r.first_value = value;
        }
        if (r.count == 0 || more) {
            r.best = i;
            r.best_value = value;
        }
        if (r.count == 0 || less) {
            r.worst = i;
            r.worst_value = value;
        }
        r.count++;
    }
    *ret_ranking = r;
    return r.count >= 2;
}

static void say_rates(const struct point *point, const struct ranking *ranking,
                      FILE *out)
{
    char most[UNITS_TEXT_MAX];
    char least[UNITS_TEXT_MAX];
    units_format_count((uint64_t)(ranking->best_value + 0.5), most);
    units_format_count((uint64_t)(ranking->worst_value + 0.5), least);
    if (ranking->best_value < worth_saying(point) * ranking->worst_value) {
        fprintf(out,
                "%s answered %s to %s requests/s, no difference that %s can "
                "show. ",
                ranking->count == 2 ? "both" : "those that served all", least,
                most,
                point->run->scenario->repetitions == 1 ? "one run each"
                                                       : "so few runs");
        return;
    }
    /* The first is what the scenario compares with; where it is the best, the
     * last of the field is. */
    bool first =
        ranking->first_value * worth_saying(point) <= ranking->best_value;
    double ratio = ranking->best_value /
                   (first ? ranking->first_value : ranking->worst_value);
    fprintf(out, "%s answered most, %s requests/s, %.*f times as many as %s. ",
            name_of(point, ranking->best), most, ratio < 10 ? 1 : 0, ratio,
            name_of(point, first ? ranking->first : ranking->worst));
}

/* Rates where they carry a comparison, else the server's CPU a request, which
 * holds even when the generator was the limit. */
static void say_ranking(const struct point *point, FILE *out)
{
    struct ranking ranking;
    char best[UNITS_TEXT_MAX];
    char worst[UNITS_TEXT_MAX];
    if (rank(point, MEASURE_RATE, &ranking)) {
        say_rates(point, &ranking, out);
        return;
    }
    if (!rank(point, MEASURE_CPU, &ranking) ||
        ranking.worst_value < worth_saying(point) * ranking.best_value)
        return;
    fprintf(out,
            "%s used least CPU per request on the server's side, %s; %s used "
            "most, %s. ",
            name_of(point, ranking.best),
            units_format_duration((uint64_t)ranking.best_value, best),
            name_of(point, ranking.worst),
            units_format_duration((uint64_t)ranking.worst_value, worst));
}

/* ", 64 B" where the block has other sizes too. */
static const char *size_text(const struct run *run, size_t head,
                             char text[static UNITS_TEXT_MAX + 2])
{
    const struct cell *cells = run->matrix->cells;
    char size[UNITS_TEXT_MAX];
    text[0] = '\0';
    for (size_t i = head; i < run->matrix->count; i++) {
        if (table_is_same_block(&cells[i], &cells[head]) &&
            cells[i].size_bytes != cells[head].size_bytes)
            snprintf(text, UNITS_TEXT_MAX + 2, ", %s",
                     units_format_bytes(cells[head].size_bytes, size));
    }
    return text;
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
        say_ranking(point, said);
    fflush(said);
    if (size > 0) {
        const struct cell *cell = &run->matrix->cells[point->cells[0]];
        const struct scenario_load *load = cell->load;
        char of_size[UNITS_TEXT_MAX + 2];
        fprintf(out, "%s, %s%s, %" PRIu64 " client%s: %s\n",
                load->title ? load->title : load->name,
                cell->server->transport == TRANSPORT_TCP ? "TCP" : "UDP",
                size_text(run, head, of_size), cell->connections,
                cell->connections == 1 ? "" : "s", text);
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
