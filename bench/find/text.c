/* A search as people read it. */
#include "bench/find/report.h"

#include "bench/report/figures.h"
#include "loadgen/measure/clock.h"
#include "servers/cli/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Starting and stopping a server and a load. */
#define STEP_EXTRA_NS (400 * NS_PER_MS)
#define WHY_MAX 100

char *find_rate_text(double rate_per_s, char text[static 40])
{
    if (rate_per_s < 100 && fabs(rate_per_s - round(rate_per_s)) > 1e-9)
        snprintf(text, 40, "%.4g", rate_per_s);
    else
        figure_count(rate_per_s, text);
    return text;
}

void find_print_plan(const struct find *find, FILE *out)
{
    const struct find_options *options = find->options;
    const struct target *target = find->target;
    char clauses[SLO_CLAUSES_MAX * SLO_TEXT_MAX];
    char size[UNITS_TEXT_MAX];
    char from[40];
    char to[40];
    uint64_t step_ns = options->load.warmup_ns + options->step_duration_ns +
                       options->load.timeout_ns + STEP_EXTRA_NS;
    uint64_t total_s = step_ns * options->max_steps / NS_PER_S;
    char connections[UNITS_THINGS_MAX];
    fprintf(out, "%s (%s %s), %s, %s: %s\n", target->name,
            transport_name(target->server.transport), target->server.service,
            units_format_things(options->load.connections, "connection",
                                "connections", connections),
            strchr(options->load.size, ':')
                ? options->load.size
                : units_format_bytes(target->cell.size_bytes, size),
            slo_format(find->slo, clauses, sizeof clauses));
    fprintf(out,
            "From %s/s to %s/s in at most %" PRIu64 " steps of at most %.1f s: "
            "%s%" PRIu64 " %s at most\n",
            find_rate_text(options->from_per_s, from),
            find_rate_text(options->to_per_s, to), options->max_steps,
            (double)step_ns / 1e9, total_s < 120 ? "" : "about ",
            total_s < 120 ? total_s + 1 : (total_s + 59) / 60,
            total_s < 120 ? "s" : "min");
    fflush(out);
}

/* A duration, "-", or "> 1.00 s" for what was not answered. */
static char *bounded(const struct find *find, double ns,
                     char text[static FIGURE_MAX + 2])
{
    text[0] = '\0';
    if (isinf(ns)) {
        memcpy(text, "> ", 3);
        ns = (double)find->options->load.timeout_ns;
    }
    figure_duration(ns, text + strlen(text));
    return text;
}

static bool is_confirming(const struct step *step)
{
    return step->phase == SEARCH_CONFIRM;
}

static void print_step(const struct find *find, const struct step *step,
                       bool loss, FILE *out)
{
    const struct slo_facts *facts = &step->facts;
    char rate[40];
    char achieved[FIGURE_MAX];
    char quantiles[3][FIGURE_MAX + 2];
    fprintf(out, "  %11s %12s  %10s %10s %10s",
            find_rate_text(step->rate_per_s, rate),
            figure_count(facts->achieved_per_s, achieved),
            bounded(find, facts->p50_ns, quantiles[0]),
            bounded(find, facts->p99_ns, quantiles[1]),
            bounded(find, facts->p999_ns, quantiles[2]));
    if (loss) {
        if (isnan(facts->loss_ratio))
            fprintf(out, " %9s", "-");
        else
            fprintf(out, " %9.5f", facts->loss_ratio);
    }
    fprintf(out, "  %s%s%s%.*s%s\n",
            step->outcome == STEP_HELD      ? "held"
            : step->outcome == STEP_LIMITED ? "not known"
                                            : "broke",
            is_confirming(step) ? ", measured again"
            : step->again       ? ", second try"
                                : "",
            *step->reason ? ": " : "", WHY_MAX, step->reason,
            strlen(step->reason) > WHY_MAX ? "..." : "");
}

void find_print_table(const struct find *find, FILE *out)
{
    bool loss = find->target->server.transport == TRANSPORT_UDP;
    struct step *list = find_sorted(find);
    if (!list)
        return;
    fprintf(out, "\n  %11s %12s  %10s %10s %10s%s\n", "due/s", "answered/s",
            "p50", "p99", "p99.9", loss ? "      loss" : "");
    for (size_t i = 0; i < find->step_count; i++)
        print_step(find, &list[i], loss, out);
    fputc('\n', out);
    free(list);
}

/* Why the rate did not hold, at the last time that it did not. */
static const char *why_not(const struct find *find, double rate_per_s)
{
    for (size_t i = find->step_count; i-- > 0;) {
        const struct step *step = &find->steps[i];
        if (step->outcome != STEP_HELD && step->rate_per_s <= rate_per_s &&
            step->rate_per_s >= rate_per_s)
            return step->reason;
    }
    return "it did not hold";
}

/* ", at 196,000/s p99 was 2.40 ms". */
static void say_beyond(const struct find *find, FILE *out)
{
    const struct search *search = find->search;
    char rate[40];
    if (search->beyond_per_s > 0)
        fprintf(out, "; at %s/s %s", find_rate_text(search->beyond_per_s, rate),
                why_not(find, search->beyond_per_s));
    if (search->bound == BOUND_TO)
        fputs("; more was not asked for (--to)", out);
    if (search->bound == BOUND_STEPS)
        fputs("; --max-steps ended the search", out);
}

static void say_answer(const struct find *find, const char *clauses, FILE *out)
{
    const struct search *search = find->search;
    char rate[40];
    fprintf(out, "%s holds %s%s/s with %s (re-measured %u of %u)",
            find->target->name,
            search->end == SEARCH_LOWER_BOUND ? "at least " : "",
            find_rate_text(search->held_per_s, rate), clauses,
            search->confirm_held, search->confirm_tried);
    say_beyond(find, out);
}

static void say_none(const struct find *find, const char *clauses, FILE *out)
{
    const struct search *search = find->search;
    const char *name = find->target->name;
    char rate[40];
    char held[40];
    if (search->end == SEARCH_NOT_FOUND)
        fprintf(out, "%s does not even hold %s/s with %s: %s", name,
                find_rate_text(search->beyond_per_s, rate), clauses,
                why_not(find, search->beyond_per_s));
    else if (search->bound == BOUND_GENERATOR)
        fprintf(out, "Nothing follows about %s: at %s/s %s", name,
                find_rate_text(search->beyond_per_s, rate),
                why_not(find, search->beyond_per_s));
    else if (search->held_per_s > 0)
        fprintf(out,
                "No answer about %s: --max-steps ended the search, and %s/s "
                "was not re-measured often enough",
                name, find_rate_text(search->held_per_s, held));
    else
        fprintf(out, "No answer about %s: --max-steps ended the search", name);
}

void find_sentence(const struct find *find, char text[static FIND_SENTENCE_MAX])
{
    const struct search *search = find->search;
    char clauses[SLO_CLAUSES_MAX * SLO_TEXT_MAX];
    FILE *out = fmemopen(text, FIND_SENTENCE_MAX, "w");
    text[0] = '\0';
    if (!out)
        return;
    slo_format(find->slo, clauses, sizeof clauses);
    if (search->end == SEARCH_FOUND || search->end == SEARCH_LOWER_BOUND)
        say_answer(find, clauses, out);
    else if (search->end == SEARCH_OPEN)
        fprintf(out, "No answer about %s: %s", find->target->name,
                find->stopped ? find->stopped : "it was not searched");
    else
        say_none(find, clauses, out);
    fclose(out);
    text[FIND_SENTENCE_MAX - 1] = '\0';
}
