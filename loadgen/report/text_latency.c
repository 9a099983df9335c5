/* A row a histogram, and what its marks say. */
#include "loadgen/report/text_parts.h"

#include <string.h>

/* Requests that were given up waited longer than any that was answered. */
static const char *greatest(const json_t *report, const json_t *hist,
                            char text[static QUANTILE_TEXT_MAX])
{
    char number[UNITS_TEXT_MAX];
    bool given_up = text_count(hist, "censored") > 0;
    uint64_t ns = text_count(hist, "max_ns");
    uint64_t above_ns = text_count(report, "config.timeout_ns");
    uint64_t late_ns = text_count(report, "latency.send_lateness.max_ns");
    if (hist ==
        text_at(report, "latency.service")) /* the timeout runs from due */
        above_ns -= late_ns < above_ns ? late_ns : above_ns;
    units_format_duration(given_up && above_ns > ns ? above_ns : ns, number);
    snprintf(text, QUANTILE_TEXT_MAX, "%s%s", given_up ? "> " : "", number);
    return text;
}

static void print_row(const json_t *report, const char *name,
                      const json_t *hist, FILE *out)
{
    char text[5][QUANTILE_TEXT_MAX];
    fprintf(
        out, "  %-11s %10s %10s %10s %10s %10s %10s %12s\n", name,
        units_format_duration(text_count(hist, "min_ns"), text[0]),
        text_quantile(hist, 0.5, text[1]), text_quantile(hist, 0.9, text[2]),
        text_quantile(hist, 0.99, text[3]), text_quantile(hist, 0.999, text[4]),
        greatest(report, hist, (char[QUANTILE_TEXT_MAX]){0}),
        units_format_count(text_count(hist, "count"),
                           (char[UNITS_TEXT_MAX]){0}));
}

/* Where the percentiles that a report is quoted for are, 95 times of 100. */
static void print_intervals(const json_t *report, FILE *out)
{
    static const double quantiles[] = {0.5, 0.99};
    bool first = true;
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        const json_t *row = text_quantile_row(
            text_at(report, "latency.response"), quantiles[i]);
        char lo[UNITS_TEXT_MAX];
        char hi[UNITS_TEXT_MAX];
        if (!row || !json_is_integer(text_at(row, "lo_ns")) ||
            !json_is_integer(text_at(row, "hi_ns")))
            continue;
        fprintf(out, "%sp%.0f %s to %s", first ? "  95 % CI     " : ", ",
                100 * quantiles[i],
                units_format_duration(text_count(row, "lo_ns"), lo),
                units_format_duration(text_count(row, "hi_ns"), hi));
        first = false;
    }
    if (!first)
        fputc('\n', out);
}

/* What the marks among the rows say. */
static void print_marks(const json_t *report, FILE *out)
{
    bool censored = false;
    bool below = false;
    const char *name;
    const json_t *hist;
    json_object_foreach(text_at(report, "latency"), name, hist)
    {
        size_t i;
        const json_t *row;
        json_array_foreach(json_object_get(hist, "quantiles"), i, row)
        {
            censored |= json_is_null(text_at(row, "value_ns"));
            below |= json_is_true(text_at(row, "below_lateness"));
        }
    }
    if (censored)
        fputs("  > among the requests that were given up: how long they would "
              "have taken is not known\n",
              out);
    if (below)
        fputs("  ~ below the p99 of the lateness: as likely the generator's "
              "doing\n",
              out);
}

void text_latency(const json_t *report, FILE *out)
{
    bool open = strcmp(text_word(report, "load.model"), "open") == 0;
    const struct {
        const char *name, *path;
    } rows[] = {{open ? "response" : "round trip", "latency.response"},
                {"round trip", open ? "latency.service" : ""},
                {"lateness", open ? "latency.send_lateness" : ""},
                {"connect", "latency.connect"}};
    bool any = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const json_t *hist = text_at(report, rows[i].path);
        if (!json_is_object(hist))
            continue;
        if (!any)
            fprintf(out, "\n  %-11s %10s %10s %10s %10s %10s %10s %12s\n",
                    "latency", "min", "p50", "p90", "p99", "p99.9", "max",
                    "samples");
        any = true;
        print_row(report, rows[i].name, hist, out);
    }
    print_intervals(report, out);
    print_marks(report, out);
}
