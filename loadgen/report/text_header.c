/* The first two lines: what was asked, and what came of it. */
#include "loadgen/report/text_parts.h"

#include <string.h>

/* "64 B", or "uniform 64 B to 1,400 B". */
static const char *sizes(const json_t *size, char *text, size_t room)
{
    char least[UNITS_TEXT_MAX];
    char most[UNITS_TEXT_MAX];
    units_format_bytes(text_count(size, "min_bytes"), least);
    units_format_bytes(text_count(size, "max_bytes"), most);
    const char *how = text_word(size, "how");
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
    const json_t *arrived = text_at(report, "udp.delivered_per_s");
    fprintf(out, "%s datagrams/s sent over %s, ",
            text_rounded(text_real(report, "throughput.requests_per_s"), a),
            units_format_duration(text_count(report, "window.length_ns"), b));
    if (json_is_number(arrived))
        fprintf(out, "%s/s arrived",
                text_rounded(json_number_value(arrived), a));
    else
        fputs("unknown how many arrived", out);
}

/* "open loop at 2,000/s (poisson)", or "2 in flight each, 10 requests a
 * connection, closed loop" */
static const char *loop(const json_t *load, char *text, size_t room)
{
    char a[UNITS_TEXT_MAX];
    char reuse[64] = "";
    uint64_t every = text_count(load, "reconnect_every");
    uint64_t depth = text_count(load, "pipeline");
    if (strcmp(text_word(load, "model"), "open") == 0) {
        snprintf(text, room, "open loop at %s/s (%s)",
                 text_rounded(text_real(load, "arrival.rate_per_s"), a),
                 text_word(load, "arrival.how"));
        return text;
    }
    if (every == 1)
        snprintf(reuse, sizeof reuse, ", one request a connection");
    else if (every > 1)
        snprintf(reuse, sizeof reuse, ", %s requests a connection",
                 units_format_count(every, a));
    if (!json_is_true(text_at(load, "one_way")))
        snprintf(text, room, "%s in flight each%s, closed loop",
                 units_format_count(depth, a), reuse);
    else if (depth > 1)
        snprintf(text, room, "%s in one go, closed loop",
                 units_format_count(depth, a));
    else
        snprintf(text, room, "one at a time, closed loop");
    return text;
}

static void print_asked(const json_t *report, FILE *out)
{
    char size[96];
    char how[128];
    char flows[UNITS_THINGS_MAX];
    const json_t *load = text_at(report, "load");
    bool stream = strcmp(text_word(report, "target.transport"), "stream") == 0;
    fprintf(out, "%s %s: %s, %s, %s, %s\n", text_word(report, "target.address"),
            text_word(report, "server.service"),
            units_format_things(text_count(load, "connections"),
                                stream ? "connection" : "flow",
                                stream ? "connections" : "flows", flows),
            sizes(text_at(load, "size"), size, sizeof size),
            loop(load, how, sizeof how), text_word(load, "engine"));
}

static void print_rate(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    char c[QUANTILE_TEXT_MAX];
    char d[QUANTILE_TEXT_MAX];
    const json_t *response = text_at(report, "latency.response");
    bool open = strcmp(text_word(report, "load.model"), "open") == 0;
    fprintf(out, "%s requests/s over %s, %s p50 %s, p99 %s",
            text_rounded(text_real(report, "throughput.requests_per_s"), a),
            units_format_duration(text_count(report, "window.length_ns"), b),
            open ? "response" : "round trip", text_quantile(response, 0.5, c),
            text_quantile(response, 0.99, d));
}

void text_header(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    print_asked(report, out);
    if (!text_has_window(report))
        fputs("nothing was measured: " TEXT_NO_WINDOW, out);
    else if (json_is_true(text_at(report, "load.one_way")))
        print_one_way_rate(report, out);
    else
        print_rate(report, out);
    uint64_t served = text_count(report, "load.flows.served");
    uint64_t offered = text_count(report, "load.flows.offered");
    if (served < offered)
        fprintf(out, " -- %s of %s served", units_format_count(served, a),
                units_format_count(offered, b));
    fputc('\n', out);
}
