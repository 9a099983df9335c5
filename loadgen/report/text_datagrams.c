/* What became of the datagrams: lost, late, twice, out of order, and where. */
#include "loadgen/report/text_parts.h"

#include <string.h>

static void print_ratio(const json_t *udp, const char *key, FILE *out)
{
    if (json_is_number(text_at(udp, key)) && text_real(udp, key) > 0)
        fprintf(out, " (%.3g)", text_real(udp, key));
}

/* "key 1,234 (0.0123)" for what is known. */
static void print_share(const json_t *udp, const char *lead, const char *key,
                        const char *ratio, FILE *out)
{
    char text[UNITS_TEXT_MAX];
    if (!json_is_integer(text_at(udp, key)))
        return;
    fprintf(out, "%s%s %s", lead, key,
            units_format_count(text_count(udp, key), text));
    print_ratio(udp, ratio, out);
}

static void print_patterns(const json_t *udp, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *runs = text_at(udp, "loss_patterns.runs");
    if (text_count(runs, "count") > 0)
        fprintf(
            out,
            "  losses      %s, mean %.2f, longest %s; %s (Gmin 16), %s alone\n",
            units_format_things(text_count(runs, "count"), "run", "runs",
                                (char[UNITS_THINGS_MAX]){0}),
            text_real(runs, "mean"),
            units_format_count(text_count(runs, "max"), b),
            units_format_things(text_count(udp, "loss_patterns.bursts.count"),
                                "burst", "bursts", (char[UNITS_THINGS_MAX]){0}),
            units_format_count(text_count(udp, "loss_patterns.alone"),
                               (char[UNITS_TEXT_MAX]){0}));
    if (text_count(udp, "reordering.extents.count") > 0)
        fprintf(
            out,
            "  reordering  extents: mean %.2f, widest %s; %s by three or "
            "more; %s held back at most\n",
            text_real(udp, "reordering.extents.mean"),
            units_format_count(text_count(udp, "reordering.extents.max"), a),
            units_format_count(text_count(udp, "reordering.three_or_more"), b),
            units_format_count(text_count(udp, "reordering.held_back_max"),
                               (char[UNITS_TEXT_MAX]){0}));
    const bool round_trip = json_is_object(text_at(udp, "jitter_rtt"));
    const json_t *jitter = text_at(udp, round_trip ? "jitter_rtt" : "jitter");
    if (json_is_number(text_at(jitter, "mean_ns")))
        fprintf(out, "  jitter      %s (%s; mean over %s)\n",
                units_format_duration(
                    (uint64_t)(text_real(jitter, "mean_ns") + 0.5), a),
                round_trip ? "round trip" : "one way",
                text_count(jitter, "flows") == 1 ? "1 flow" : "flows");
    if (text_count(udp, "ancient") > 0)
        fprintf(out,
                "              %s datagrams were too old to be placed: lost "
                "is at most what is said here\n",
                units_format_count(text_count(udp, "ancient"), a));
}

/* "p50 21 us, p99 62 us" of a way. */
static void print_way(const json_t *udp, const char *path, const char *name,
                      FILE *out)
{
    char a[QUANTILE_TEXT_MAX];
    char b[QUANTILE_TEXT_MAX];
    const json_t *hist = text_at(udp, path);
    if (json_is_object(hist))
        fprintf(out, "%s p50 %s, p99 %s", name, text_quantile(hist, 0.5, a),
                text_quantile(hist, 0.99, b));
}

/* One way all that is more than a count comes from the server's log. */
static void print_log_missing(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *udp = text_at(report, "udp");
    const json_t *server = text_at(udp, "server");
    if (!json_is_true(text_at(report, "load.one_way")) ||
        !json_is_object(server) || json_is_object(text_at(udp, "copies")))
        return;
    if (text_count(server, "records_missed") > 0)
        fprintf(out,
                "  patterns    not known: the trace has room for %s of %s "
                "datagrams (--trace-records of\n              the server)\n",
                units_format_count(text_count(server, "records"), a),
                units_format_count(text_count(server, "received"), b));
    else
        fputs("  patterns    not known: below 40 bytes a datagram holds no "
              "time\n",
              out);
}

/* What the server's own notes add, or why they do not where they were given. */
static void print_directions(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    const json_t *udp = text_at(report, "udp");
    const json_t *ways = text_at(udp, "directions");
    if (!json_is_object(ways)) {
        if (json_is_string(text_at(report, "config.server_trace")))
            fprintf(out, "  on the way  not known: %s\n",
                    text_word(udp, "server_note"));
        return;
    }
    fprintf(out, "  on the way  there: lost %s",
            units_format_count(text_count(ways, "forward_lost"), a));
    print_ratio(ways, "forward_loss_ratio", out);
    if (json_is_integer(text_at(ways, "forward_reordered")))
        fprintf(out, ", reordered %s",
                units_format_count(text_count(ways, "forward_reordered"), a));
    if (json_is_integer(text_at(ways, "server_lost")))
        fprintf(out, "; by the server: lost %s",
                units_format_count(text_count(ways, "server_lost"), a));
    if (json_is_integer(text_at(ways, "server_reordered")))
        fprintf(out, ", reordered %s",
                units_format_count(text_count(ways, "server_reordered"), a));
    if (json_is_integer(text_at(ways, "back_lost"))) {
        fprintf(out, "; back: lost %s",
                units_format_count(text_count(ways, "back_lost"), a));
        print_ratio(ways, "back_loss_ratio", out);
    }
    if (json_is_object(text_at(udp, "one_way.forward")))
        fputs("\n              ", out);
    print_way(udp, "one_way.forward", "there", out);
    print_way(udp, "one_way.back", "; back", out);
    fputc('\n', out);
}

/* Losses that are this program's own, which a greater buffer may mend. */
static void print_own_losses(const json_t *udp, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    uint64_t dropped = text_count(udp, "loss_where.client_buffer");
    uint64_t refused = text_count(udp, "loss_where.client_send");
    if (dropped + refused > 0)
        fprintf(out,
                "  this end    with the warm-up: %s replies dropped at its "
                "sockets (--rcvbuf),\n              %s sends refused by the "
                "kernel (--sndbuf)\n",
                units_format_count(dropped, a), units_format_count(refused, b));
}

void text_datagrams(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *udp = text_at(report, "udp");
    if (!json_is_object(udp))
        return;
    fprintf(out, "  datagrams   sent %s, received %s",
            units_format_count(text_count(udp, "sent"), a),
            json_is_null(text_at(udp, "received"))
                ? "unknown (no --server-trace)"
                : units_format_count(text_count(udp, "received"), b));
    print_share(udp, ", ", "lost", "loss_ratio", out);
    print_share(udp, ", ", "late", "late_ratio", out);
    print_share(udp, "\n              ", "duplicate", "duplicate_ratio", out);
    print_share(udp, ", ", "reordered", "reordered_ratio", out);
    print_share(udp, ", ", "foreign", "", out);
    print_share(udp, ", ", "corrupt", "", out);
    fputc('\n', out);
    print_own_losses(udp, out);
    print_directions(report, out);
    print_log_missing(report, out);
    print_patterns(udp, out);
    if (strcmp(text_word(udp, "loss_known_by"), "count") == 0)
        fputs("              below 20 bytes a datagram carries no number: loss "
              "is known by\n              count, order and duplicates are not "
              "seen\n",
              out);
}
