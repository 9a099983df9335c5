/*
 * The sentences under the table. Each says only what the cells say: who served
 * everybody, and, where the generator was not the limit, who answered most.
 */
#include "bench/report/figures.h"
#include "bench/report/point.h"
#include "bench/report/table.h"
#include "servers/cli/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_COLUMNS 78
#define NAME_TEXT_MAX 96 /* a server's name and its workers */
#define KEPT_UP 0.95     /* of what came due; less is behind */

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

/* "a, b and c": the servers that served all (or those that did not). */
static void say_names(const struct point *point, bool all, FILE *out)
{
    size_t left = 0;
    for (size_t i = 0; i < point->count; i++)
        left += point_served_all(&point->summaries[i]) == all;
    for (size_t i = 0; i < point->count; i++) {
        if (point_served_all(&point->summaries[i]) != all)
            continue;
        fputs(point_name(point, i), out);
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
        if (point_served_all(s))
            continue;
        char served[UNITS_TEXT_MAX];
        char offered[UNITS_TEXT_MAX];
        fprintf(out, "%s%s served %s of %s", first ? "" : ", ",
                point_name(point, i),
                units_format_count(s->flows_served, served),
                units_format_count(s->flows_offered, offered));
        first = false;
    }
    if (whole > 0) {
        fputs("; ", out);
        say_names(point, true, out);
        fputs(" served all", out);
    }
    fputs(". ", out);
}

/* "Of those that served all, " where others did not. */
static const char *restriction(const struct point *point,
                               const struct ranking *ranking)
{
    return ranking->count < point->count ? "Of those that served all, " : "";
}

/* "epoll", or "epoll (2 workers)" where others have fewer or more. */
static const char *with_workers(const struct point *point,
                                const struct ranking *ranking, size_t i,
                                char text[static NAME_TEXT_MAX])
{
    uint64_t workers = point_workers(point, i);
    if (ranking_is_uneven(ranking) && workers > 0)
        snprintf(text, NAME_TEXT_MAX, "%s (%" PRIu64 " worker%s)",
                 point_name(point, i), workers, workers == 1 ? "" : "s");
    else
        snprintf(text, NAME_TEXT_MAX, "%s", point_name(point, i));
    return text;
}

static bool is_one_way(const struct point *point)
{
    return point->run->matrix->cells[point->cells[0]].one_way;
}

static const char *answered(const struct point *point)
{
    return is_one_way(point) ? "received" : "answered";
}

static const char *requests(const struct point *point)
{
    return is_one_way(point) ? "datagrams" : "requests";
}

/* No difference that can be told apart from chance. */
static void say_alike(const struct point *point, const struct ranking *ranking,
                      FILE *out)
{
    char most[FIGURE_MAX];
    char least[FIGURE_MAX];
    const char *who = ranking->count == 2 ? "both" : "all";
    if (ranking->count < point->count)
        who = "those that served all";
    fprintf(out, "%s %s %s to %s %s/s, no difference that %s can show", who,
            answered(point), figure_count(ranking->worst_value, least),
            figure_count(ranking->best_value, most), requests(point),
            point->run->scenario->repetitions == 1 ? "one run each"
                                                   : "so few runs");
    if (ranking_is_uneven(ranking))
        fputs(", with unequal numbers of workers", out);
    fputs(". ", out);
}

static void say_rates(const struct point *point, const struct ranking *ranking,
                      FILE *out)
{
    char most[FIGURE_MAX];
    char best[NAME_TEXT_MAX];
    char other[NAME_TEXT_MAX];
    if (ranking->best_value < worth_saying(point) * ranking->worst_value) {
        say_alike(point, ranking, out);
        return;
    }
    /* The first is what the scenario compares with; where it is the best, the
     * last of the field is. */
    bool first =
        ranking->first_value * worth_saying(point) <= ranking->best_value;
    double ratio = ranking->best_value /
                   (first ? ranking->first_value : ranking->worst_value);
    fprintf(out, "%s%s %s most, %s %s/s, %.*f times as many as %s. ",
            restriction(point, ranking),
            with_workers(point, ranking, ranking->best, best), answered(point),
            figure_count(ranking->best_value, most), requests(point),
            ratio < 9.95 ? 1 : 0, ratio,
            with_workers(point, ranking,
                         first ? ranking->first : ranking->worst, other));
}

/* The least and the most of a measure of which less is better. */
static void say_ends(const struct point *point, enum measure measure,
                     const char *least, const char *most, FILE *out)
{
    struct ranking ranking;
    char best[FIGURE_MAX];
    char worst[FIGURE_MAX];
    char best_name[NAME_TEXT_MAX];
    char worst_name[NAME_TEXT_MAX];
    if (!point_rank(point, measure, &ranking) || isinf(ranking.best_value) ||
        ranking.worst_value < worth_saying(point) * ranking.best_value)
        return;
    const struct summary *last = &point->summaries[ranking.worst];
    fprintf(out, "%s%s %s, %s; %s %s, %s. ", restriction(point, &ranking),
            with_workers(point, &ranking, ranking.best, best_name), least,
            figure_duration(ranking.best_value, best),
            with_workers(point, &ranking, ranking.worst, worst_name), most,
            figure_percentile(ranking.worst_value, last->response_p99_ns.above,
                              false, worst));
}

/* Who did not answer what came due. */
static void say_behind(const struct point *point, FILE *out)
{
    char rate[FIGURE_MAX];
    bool any = false;
    for (size_t i = 0; i < point->count; i++) {
        const struct summary *s = &point->summaries[i];
        if (!(s->requests_per_s.median < KEPT_UP * s->offered_per_s.median) ||
            !point_rate_counts(point, i))
            continue;
        fprintf(out, "%s%s %s %s", any ? ", " : "", point_name(point, i),
                answered(point), figure_count(s->requests_per_s.median, rate));
        any = true;
    }
    if (any)
        fprintf(out, " %s/s, less than came due. ", requests(point));
}

/* Rates where they carry a comparison, else the server's CPU a request, which
 * holds even when the generator was the limit. In an open loop the rate is
 * given, and how long replies took is the question. */
static void say_ranking(const struct point *point, FILE *out)
{
    struct ranking ranking;
    const struct cell *cell = &point->run->matrix->cells[point->cells[0]];
    if (cell->rate_per_s > 0) {
        say_behind(point, out);
        say_ends(point, MEASURE_P99,
                 "had the shortest 99th percentile of response time",
                 "the longest", out);
    } else if (point_rank(point, MEASURE_RATE, &ranking)) {
        say_rates(point, &ranking, out);
        return;
    }
    say_ends(point, MEASURE_CPU,
             "used least CPU per request on the server's side", "used most",
             out);
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

/* ", 20,000/s" in an open loop. */
static const char *rate_text(const struct cell *cell,
                             char text[static FIGURE_MAX + 8])
{
    char rate[FIGURE_MAX];
    text[0] = '\0';
    if (cell->rate_per_s > 0)
        snprintf(text, FIGURE_MAX + 8, ", %s/s",
                 figure_count(cell->rate_per_s, rate));
    return text;
}

/* What the sentences in text are about, and the sentences. */
static void say_where(const struct run *run, size_t head,
                      const struct cell *cell, const char *text, FILE *out)
{
    const struct scenario_load *load = cell->load;
    char of_size[UNITS_TEXT_MAX + 2];
    char of_rate[FIGURE_MAX + 8];
    char clients[UNITS_THINGS_MAX];
    fprintf(
        out, "%s, %s%s, %s%s: %s\n", load->title ? load->title : load->name,
        cell->server->transport == TRANSPORT_TCP ? "TCP" : "UDP",
        size_text(run, head, of_size),
        units_format_things(cell->connections, "client", "clients", clients),
        rate_text(cell, of_rate), text);
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
    point_gather(run, head, point);
    size_t whole = 0;
    for (size_t i = 0; i < point->count; i++)
        whole += point_served_all(&point->summaries[i]);
    if (point->count > 0 && whole < point->count)
        say_served(point, whole, said);
    if (point->count > 0)
        say_ranking(point, said);
    fflush(said);
    if (size > 0)
        say_where(run, head, &run->matrix->cells[point->cells[0]], text, out);
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
