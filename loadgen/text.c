#include "loadgen/summary.h"

#include "servers/cli/units.h"

#include <stdarg.h>
#include <string.h>

/* The report as a person reads it, from its JSON and nothing else. */

static json_t *at(const json_t *object, const char *path)
{
    char key[64];
    json_t *found = NULL;
    while (object && *path) {
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        found = json_object_get(object, key);
        object = found;
        path += length + (path[length] == '.');
    }
    return found;
}

static uint64_t count_at(const json_t *object, const char *path)
{
    return (uint64_t)json_integer_value(at(object, path));
}

static double real_at(const json_t *object, const char *path)
{
    return json_number_value(at(object, path));
}

static const char *text_at(const json_t *object, const char *path)
{
    const char *text = json_string_value(at(object, path));
    return text ? text : "-";
}

static char *rounded(double value, char text[static UNITS_TEXT_MAX])
{
    return units_format_count(value > 0 ? (uint64_t)(value + 0.5) : 0, text);
}

/* "-" for what is not known. */
static const char *figure_at(const json_t *object, const char *path,
                             char text[static UNITS_TEXT_MAX])
{
    return json_is_number(at(object, path))
               ? rounded(real_at(object, path), text)
               : "-";
}

#define QUANTILE_TEXT_MAX (UNITS_TEXT_MAX + 2)

static const json_t *quantile_row(const json_t *hist, double q)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(hist, "quantiles"), i, row)
    {
        double its = json_number_value(json_object_get(row, "q"));
        if (its > q - 1e-9 && its < q + 1e-9)
            return row;
    }
    return NULL;
}

/* The duration at q of a histogram: "-" where it was not given, "> 1 s" where
 * those that were given up hold its rank, "~5 us" where it is below what the
 * generator was late by. */
static const char *quantile(const json_t *hist, double q,
                            char text[static QUANTILE_TEXT_MAX])
{
    char number[UNITS_TEXT_MAX];
    const json_t *row = quantile_row(hist, q);
    if (!row)
        return "-";
    bool censored = json_is_null(at(row, "value_ns"));
    const char *mark = censored                                  ? "> "
                       : json_is_true(at(row, "below_lateness")) ? "~"
                                                                 : "";
    units_format_duration(count_at(row, censored ? "above_ns" : "value_ns"),
                          number);
    snprintf(text, QUANTILE_TEXT_MAX, "%s%s", mark, number);
    return text;
}

/* "64 B", or "uniform 64 B to 1,400 B". */
static const char *sizes(const json_t *size, char *text, size_t room)
{
    char least[UNITS_TEXT_MAX];
    char most[UNITS_TEXT_MAX];
    units_format_bytes(count_at(size, "min_bytes"), least);
    units_format_bytes(count_at(size, "max_bytes"), most);
    const char *how = text_at(size, "how");
    if (strcmp(how, "fixed") == 0)
        snprintf(text, room, "%s", most);
    else
        snprintf(text, room, "%s %s to %s", how, least, most);
    return text;
}

/* "1,234 datagrams/s sent over 1.00 s, 1,200/s arrived" */
static void print_one_way_rate(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *arrived = at(report, "udp.delivered_per_s");
    fprintf(out, "%s datagrams/s sent over %s, ",
            rounded(real_at(report, "throughput.requests_per_s"), a),
            units_format_duration(count_at(report, "window.length_ns"), b));
    if (json_is_number(arrived))
        fprintf(out, "%s/s arrived", rounded(json_number_value(arrived), a));
    else
        fputs("unknown how many arrived", out);
}

static void print_summary(const json_t *report, FILE *out)
{
    char size[96];
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    char c[QUANTILE_TEXT_MAX];
    char d[QUANTILE_TEXT_MAX];
    const json_t *load = at(report, "load");
    bool datagrams = strcmp(text_at(report, "target.transport"), "stream") != 0;
    uint64_t every = count_at(load, "reconnect_every");
    char reuse[64] = "";
    if (every == 1)
        snprintf(reuse, sizeof reuse, ", one request a connection");
    else if (every > 1)
        snprintf(reuse, sizeof reuse, ", %llu requests a connection",
                 (unsigned long long)every);
    char loop[96];
    if (strcmp(text_at(load, "model"), "open") == 0)
        snprintf(loop, sizeof loop, "open loop at %s/s (%s)",
                 rounded(real_at(load, "arrival.rate_per_s"), c),
                 text_at(load, "arrival.how"));
    else
        snprintf(loop, sizeof loop, "%llu in %s%s, closed loop",
                 (unsigned long long)count_at(load, "pipeline"),
                 json_is_true(at(load, "one_way")) ? "one go" : "flight each",
                 reuse);
    fprintf(out, "%s %s: %s %s%s, %s, %s, %s\n",
            text_at(report, "target.address"),
            text_at(report, "server.service"),
            units_format_count(count_at(load, "connections"), a),
            datagrams ? "flow" : "connection",
            count_at(load, "connections") == 1 ? "" : "s",
            sizes(at(load, "size"), size, sizeof size), loop,
            text_at(load, "engine"));
    const json_t *response = at(report, "latency.response");
    bool open = strcmp(text_at(load, "model"), "open") == 0;
    if (json_is_true(at(load, "one_way")))
        print_one_way_rate(report, out);
    else
        fprintf(out, "%s requests/s over %s, %s p50 %s, p99 %s",
                rounded(real_at(report, "throughput.requests_per_s"), a),
                units_format_duration(count_at(report, "window.length_ns"), b),
                open ? "response" : "round trip", quantile(response, 0.5, c),
                quantile(response, 0.99, d));
    uint64_t served = count_at(load, "flows.served");
    uint64_t offered = count_at(load, "flows.offered");
    if (served < offered)
        fprintf(out, " -- %llu of %llu served", (unsigned long long)served,
                (unsigned long long)offered);
    fputc('\n', out);
}

/* Requests that were given up waited longer than any that was answered. */
static const char *greatest(const json_t *report, const json_t *hist,
                            char text[static QUANTILE_TEXT_MAX])
{
    char number[UNITS_TEXT_MAX];
    bool given_up = count_at(hist, "censored") > 0;
    uint64_t ns = count_at(hist, "max_ns");
    uint64_t above_ns = count_at(report, "config.timeout_ns");
    uint64_t late_ns = count_at(report, "latency.send_lateness.max_ns");
    if (hist == at(report, "latency.service")) /* the timeout runs from due */
        above_ns -= late_ns < above_ns ? late_ns : above_ns;
    units_format_duration(given_up && above_ns > ns ? above_ns : ns, number);
    snprintf(text, QUANTILE_TEXT_MAX, "%s%s", given_up ? "> " : "", number);
    return text;
}

static void print_row(const json_t *report, const char *name, const char *path,
                      FILE *out)
{
    const json_t *hist = at(report, path);
    if (!json_is_object(hist))
        return;
    char text[5][QUANTILE_TEXT_MAX];
    fprintf(
        out, "  %-11s %10s %10s %10s %10s %10s %10s %12s\n", name,
        units_format_duration(count_at(hist, "min_ns"), text[0]),
        quantile(hist, 0.5, text[1]), quantile(hist, 0.9, text[2]),
        quantile(hist, 0.99, text[3]), quantile(hist, 0.999, text[4]),
        greatest(report, hist, (char[QUANTILE_TEXT_MAX]){0}),
        units_format_count(count_at(hist, "count"), (char[UNITS_TEXT_MAX]){0}));
}

/* Where the percentiles that a report is quoted for are, 95 times of 100. */
static void print_intervals(const json_t *report, FILE *out)
{
    static const double quantiles[] = {0.5, 0.99};
    bool first = true;
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        const json_t *row =
            quantile_row(at(report, "latency.response"), quantiles[i]);
        char lo[UNITS_TEXT_MAX];
        char hi[UNITS_TEXT_MAX];
        if (!row || !json_is_integer(at(row, "lo_ns")) ||
            !json_is_integer(at(row, "hi_ns")))
            continue;
        fprintf(out, "%sp%.0f from %s to %s", first ? "  95 of 100   " : ", ",
                100 * quantiles[i],
                units_format_duration(count_at(row, "lo_ns"), lo),
                units_format_duration(count_at(row, "hi_ns"), hi));
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
    json_object_foreach(at(report, "latency"), name, hist)
    {
        size_t i;
        const json_t *row;
        json_array_foreach(json_object_get(hist, "quantiles"), i, row)
        {
            censored |= json_is_null(at(row, "value_ns"));
            below |= json_is_true(at(row, "below_lateness"));
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

static void print_accounting(const json_t *report, FILE *out)
{
    static const char *const names[] = {"sent",    "ok",         "error",
                                        "timeout", "unfinished", "skipped"};
    fputs("\n  requests   ", out);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        char text[UNITS_TEXT_MAX];
        snprintf(path, sizeof path, "accounting.%s", names[i]);
        fprintf(out, "%s%s %s", i ? ", " : " ", names[i],
                units_format_count(count_at(report, path), text));
    }
    fputc('\n', out);
    if (!json_is_null(at(report, "accounting.oldest_unfinished_ns"))) {
        char text[UNITS_TEXT_MAX];
        fprintf(out, "              the oldest unfinished one had waited %s\n",
                units_format_duration(
                    count_at(report, "accounting.oldest_unfinished_ns"), text));
    }
    const char *key;
    json_t *value;
    json_object_foreach(at(report, "accounting.errors"), key, value)
    {
        if (json_integer_value(value) > 0)
            fprintf(out, "              %s: %lld\n", key,
                    (long long)json_integer_value(value));
    }
    const json_t *flows = at(report, "load.flows");
    char a[UNITS_TEXT_MAX];
    fprintf(out, "  flows       offered %s, ",
            units_format_count(count_at(flows, "offered"), a));
    fprintf(out, "connected %s, ",
            units_format_count(count_at(flows, "connected"), a));
    fprintf(out, "served %s\n",
            units_format_count(count_at(flows, "served"), a));
    const json_t *idle = at(report, "load.idle_clients");
    if (json_is_object(idle))
        fprintf(
            out,
            "              beside them %llu silent client%s: connected %llu "
            "times, served %llu, failed %llu\n",
            (unsigned long long)count_at(idle, "count"),
            count_at(idle, "count") == 1 ? "" : "s",
            (unsigned long long)count_at(idle, "connected"),
            (unsigned long long)count_at(idle, "served"),
            (unsigned long long)count_at(idle, "failed"));
}

static void print_ratio(const json_t *udp, const char *key, FILE *out)
{
    if (json_is_number(at(udp, key)) && real_at(udp, key) > 0)
        fprintf(out, " (%.3g)", real_at(udp, key));
}

/* "key 1,234 (0.0123)" for what is known. */
static void print_share(const json_t *udp, const char *lead, const char *key,
                        const char *ratio, FILE *out)
{
    char text[UNITS_TEXT_MAX];
    if (!json_is_integer(at(udp, key)))
        return;
    fprintf(out, "%s%s %s", lead, key,
            units_format_count(count_at(udp, key), text));
    print_ratio(udp, ratio, out);
}

static void print_patterns(const json_t *udp, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *runs = at(udp, "loss_patterns.runs");
    if (count_at(runs, "count") > 0)
        fprintf(out,
                "  losses      %s runs, mean %.2f, longest %s; %s bursts "
                "(Gmin 16), %s alone\n",
                units_format_count(count_at(runs, "count"), a),
                real_at(runs, "mean"),
                units_format_count(count_at(runs, "max"), b),
                units_format_count(count_at(udp, "loss_patterns.bursts.count"),
                                   (char[UNITS_TEXT_MAX]){0}),
                units_format_count(count_at(udp, "loss_patterns.alone"),
                                   (char[UNITS_TEXT_MAX]){0}));
    if (count_at(udp, "reordered") > 0)
        fprintf(
            out,
            "  reordering  extents: mean %.2f, widest %s; %s by three or "
            "more; %s held back at most\n",
            real_at(udp, "reordering.extents.mean"),
            units_format_count(count_at(udp, "reordering.extents.max"), a),
            units_format_count(count_at(udp, "reordering.three_or_more"), b),
            units_format_count(count_at(udp, "reordering.held_back_max"),
                               (char[UNITS_TEXT_MAX]){0}));
    const bool round_trip = json_is_object(at(udp, "jitter_rtt"));
    const json_t *jitter = at(udp, round_trip ? "jitter_rtt" : "jitter");
    if (json_is_number(at(jitter, "mean_ns")))
        fprintf(out, "  jitter      %s (%s; mean over %s)\n",
                units_format_duration(
                    (uint64_t)(real_at(jitter, "mean_ns") + 0.5), a),
                round_trip ? "round trip" : "one way",
                count_at(jitter, "flows") == 1 ? "1 flow" : "flows");
    if (count_at(udp, "ancient") > 0)
        fprintf(out,
                "              %s replies were too old to be placed: lost is "
                "at most what is said here\n",
                units_format_count(count_at(udp, "ancient"), a));
}

/* "p50 21 us, p99 62 us" of a way. */
static void print_way(const json_t *udp, const char *path, const char *name,
                      FILE *out)
{
    char a[QUANTILE_TEXT_MAX];
    char b[QUANTILE_TEXT_MAX];
    const json_t *hist = at(udp, path);
    if (json_is_object(hist))
        fprintf(out, "%s p50 %s, p99 %s", name, quantile(hist, 0.5, a),
                quantile(hist, 0.99, b));
}

/* What the server's own notes add, or why they do not where they were given. */
static void print_directions(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *udp = at(report, "udp");
    const json_t *ways = at(udp, "directions");
    if (!json_is_object(ways)) {
        if (json_is_string(at(report, "config.server_trace")))
            fprintf(out, "  on the way  not known: %s\n",
                    text_at(udp, "server_note"));
        return;
    }
    fprintf(out, "  on the way  there: lost %s",
            units_format_count(count_at(ways, "forward_lost"), a));
    print_ratio(ways, "forward_loss_ratio", out);
    if (json_is_integer(at(ways, "forward_reordered")))
        fprintf(out, ", reordered %s",
                units_format_count(count_at(ways, "forward_reordered"), a));
    if (json_is_integer(at(ways, "server_lost")))
        fprintf(out, "; by the server: lost %s, reordered %s",
                units_format_count(count_at(ways, "server_lost"), a),
                units_format_count(count_at(ways, "server_reordered"), b));
    if (json_is_integer(at(ways, "back_lost"))) {
        fprintf(out, "; back: lost %s",
                units_format_count(count_at(ways, "back_lost"), a));
        print_ratio(ways, "back_loss_ratio", out);
    }
    if (json_is_object(at(udp, "one_way.forward")))
        fputs("\n              ", out);
    print_way(udp, "one_way.forward", "there", out);
    print_way(udp, "one_way.back", "; back", out);
    fputc('\n', out);
}

static void print_tcp(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *tcp = at(report, "tcp");
    if (!json_is_object(tcp))
        return;
    fprintf(out, "  tcp         %s, retransmitted %s of %s segments",
            text_at(tcp, "congestion_control"),
            units_format_count(count_at(tcp, "retransmitted_segments"), a),
            units_format_count(count_at(tcp, "segments_sent"), b));
    if (json_is_integer(at(tcp, "out_of_order_packets")))
        fprintf(out, ", received out of order %s",
                units_format_count(count_at(tcp, "out_of_order_packets"), a));
    fputc('\n', out);
}

/* Losses that are this program's own, which a greater buffer may mend. */
static void print_own_losses(const json_t *udp, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    uint64_t dropped = count_at(udp, "loss_where.client_buffer");
    uint64_t refused = count_at(udp, "loss_where.client_send");
    if (dropped + refused > 0)
        fprintf(out,
                "  this end    with the warm-up: %s replies dropped at its "
                "sockets (--rcvbuf),\n              %s sends refused by the "
                "kernel (--sndbuf)\n",
                units_format_count(dropped, a), units_format_count(refused, b));
}

static void print_udp(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *udp = at(report, "udp");
    if (!json_is_object(udp))
        return;
    fprintf(out, "  datagrams   sent %s, received %s",
            units_format_count(count_at(udp, "sent"), a),
            json_is_null(at(udp, "received"))
                ? "unknown (no --server-trace)"
                : units_format_count(count_at(udp, "received"), b));
    print_share(udp, ", ", "lost", "loss_ratio", out);
    print_share(udp, ", ", "late", "late_ratio", out);
    print_share(udp, "\n              ", "duplicate", "duplicate_ratio", out);
    print_share(udp, ", ", "reordered", "reordered_ratio", out);
    print_share(udp, ", ", "foreign", "", out);
    print_share(udp, ", ", "corrupt", "", out);
    fputc('\n', out);
    print_own_losses(udp, out);
    print_directions(report, out);
    print_patterns(udp, out);
    if (strcmp(text_at(udp, "loss_known_by"), "count") == 0)
        fputs("              below 20 bytes a datagram carries no number: loss "
              "is known by\n              count, order and duplicates are not "
              "seen\n",
              out);
}

static void print_layout(const json_t *report, FILE *out)
{
    const json_t *shared = at(report, "evidence.shared_cpus");
    const char *layout = text_at(report, "load.layout");
    fprintf(out, "  layout      %s", layout);
    if (strcmp(layout, "free") == 0) {
        bool told = json_is_string(at(report, "config.server_cpus"));
        fprintf(out, ": %s\n",
                told ? "the generator is not pinned (--cpus)"
                     : "the server's CPUs are not known (--server-cpus)");
        return;
    }
    if (json_array_size(shared) == 0) {
        fprintf(out, ": server on CPU %s, generator on CPU %s\n",
                text_at(report, "config.server_cpus"),
                text_at(report, "config.cpus"));
        return;
    }
    fprintf(out, ": server and generator share CPU");
    for (size_t i = 0; i < json_array_size(shared); i++)
        fprintf(out, "%s%lld", i > 0 ? ", " : " ",
                (long long)json_integer_value(json_array_get(shared, i)));
    fputc('\n', out);
}

/* Beside what `sockbench selftest` found, where that is kept. */
static void print_limit(const json_t *report, FILE *out)
{
    const json_t *ratio = at(report, "evidence.machine.of_limit_ratio");
    const char *address = text_at(report, "target.address");
    const char *kind = "Unix";
    if (strncmp(address, "tcp", 3) == 0)
        kind = "TCP";
    else if (strncmp(address, "udp", 3) == 0)
        kind = "UDP";
    if (json_is_number(ratio))
        fprintf(out,
                "  machine     %.2f of what one thread of this machine can do "
                "(raw loop, %s)\n",
                json_number_value(ratio), kind);
}

static void print_steadiness(const json_t *report, FILE *out)
{
    bool little = json_is_number(at(report, "evidence.littles_law_ratio"));
    bool drift = json_is_number(at(report, "stationarity.drift_ratio"));
    if (little || drift)
        fputs("  steadiness  ", out);
    if (little)
        fprintf(out, "Little's law %.3f",
                real_at(report, "evidence.littles_law_ratio"));
    if (drift)
        fprintf(out, "%ssecond half of the window %+.1f %%", little ? ", " : "",
                100 * real_at(report, "stationarity.drift_ratio"));
    if (little || drift)
        fputc('\n', out);
}

static void print_taken(const json_t *report, const char *path,
                        const char *words, bool *first, FILE *out)
{
    double share = real_at(report, path);
    if (!json_is_number(at(report, path)))
        return;
    fprintf(out, "%s%.1f %% %s", *first ? "  others      " : ", ", 100 * share,
            words);
    *first = false;
}

/* What others took. */
static void print_disturbance(const json_t *report, FILE *out)
{
    bool first = true;
    print_taken(report, "evidence.foreign_cpu.foreign_ratio",
                "of the generator's CPUs", &first, out);
    print_taken(report, "evidence.waited_ratio",
                "of the window a thread waited for its CPU", &first, out);
    print_taken(report, "evidence.steal_ratio", "stolen", &first, out);
    print_taken(report, "evidence.throttling.throttled_ratio", "throttled",
                &first, out);
    if (!first)
        fputc('\n', out);
}

static void print_evidence(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    fprintf(out, "  generator   %s ns of CPU a request",
            figure_at(report, "generator.cpu_ns_per_request", a));
    double busiest = 0;
    size_t i;
    const json_t *row;
    json_array_foreach(at(report, "generator.threads"), i, row)
    {
        double busy = real_at(row, "busy_ratio");
        busiest = busy > busiest ? busy : busiest;
    }
    fprintf(out, ", busy %.2f of the window, ceiling %s requests/s\n", busiest,
            figure_at(report, "generator.ceiling_per_s", b));
    print_steadiness(report, out);
    print_disturbance(report, out);
    print_limit(report, out);
    if (json_is_true(at(report, "load.one_way")))
        fputs("  content     nothing comes back to be checked\n", out);
    else if (!json_is_true(at(report, "load.verified")))
        fputs("  content     not checked (--no-verify)\n", out);
    else if (json_is_true(at(report, "load.one_way")))
        fputs("  content     not checked (one way: nothing comes back)\n", out);
    else if (strcmp(text_at(report, "load.frame"), "none") == 0 &&
             json_is_object(at(report, "udp")))
        fputs("  content     every byte checked; below 20 bytes a request has "
              "no number,\n              so a reply to the wrong request is "
              "not seen\n",
              out);
    else
        fputs("  content     every byte of every reply checked\n", out);
}

static void print_verdict(const json_t *report, FILE *out)
{
    static const struct {
        const char *claim, *words;
    } table[] = {{"throughput", "the rate"},
                 {"latency", "latencies"},
                 {"server_cpu", "the server's CPU per request"},
                 {"loss", "loss"},
                 {"content", "the content of replies"},
                 {"order", "order and duplicates"}};
    fprintf(out, "  verdict     %s\n", text_at(report, "verdict.status"));
    size_t i;
    const json_t *reason;
    json_array_foreach(at(report, "verdict.reasons"), i, reason)
        fprintf(out, "              %s\n", json_string_value(reason));
    const json_t *claims = at(report, "verdict.withdrawn");
    const json_t *claim;
    json_array_foreach(claims, i, claim)
    {
        for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
            if (strcmp(table[k].claim, json_string_value(claim)) == 0)
                fprintf(out, "%s%s", i > 0 ? ", " : "  withdrawn   ",
                        table[k].words);
        }
    }
    if (json_array_size(claims) > 0)
        fputc('\n', out);
}

void summary_print(const json_t *report, bool brief, FILE *out)
{
    print_summary(report, out);
    if (brief)
        return;
    bool open = strcmp(text_at(report, "load.model"), "open") == 0;
    if (open || !json_is_true(at(report, "load.one_way")))
        fprintf(out, "\n  %-11s %10s %10s %10s %10s %10s %10s %12s\n",
                "latency", "min", "p50", "p90", "p99", "p99.9", "max",
                "samples");
    print_row(report, open ? "response" : "round trip", "latency.response",
              out);
    if (open) {
        print_row(report, "round trip", "latency.service", out);
        print_row(report, "lateness", "latency.send_lateness", out);
    }
    print_row(report, "connect", "latency.connect", out);
    print_intervals(report, out);
    print_marks(report, out);
    print_accounting(report, out);
    print_udp(report, out);
    print_tcp(report, out);
    print_layout(report, out);
    print_evidence(report, out);
    print_verdict(report, out);
}
