/* The first two lines: what was asked, and what came of it. */
#include "loadgen/text_parts.h"

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

void text_header(const json_t *report, FILE *out)
{
    char size[96];
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    char c[QUANTILE_TEXT_MAX];
    char d[QUANTILE_TEXT_MAX];
    const json_t *load = text_at(report, "load");
    bool datagrams =
        strcmp(text_word(report, "target.transport"), "stream") != 0;
    uint64_t every = text_count(load, "reconnect_every");
    char reuse[64] = "";
    if (every == 1)
        snprintf(reuse, sizeof reuse, ", one request a connection");
    else if (every > 1)
        snprintf(reuse, sizeof reuse, ", %llu requests a connection",
                 (unsigned long long)every);
    char loop[96];
    if (strcmp(text_word(load, "model"), "open") == 0)
        snprintf(loop, sizeof loop, "open loop at %s/s (%s)",
                 text_rounded(text_real(load, "arrival.rate_per_s"), c),
                 text_word(load, "arrival.how"));
    else
        snprintf(loop, sizeof loop, "%llu in %s%s, closed loop",
                 (unsigned long long)text_count(load, "pipeline"),
                 json_is_true(text_at(load, "one_way")) ? "one go"
                                                        : "flight each",
                 reuse);
    fprintf(out, "%s %s: %s %s%s, %s, %s, %s\n",
            text_word(report, "target.address"),
            text_word(report, "server.service"),
            units_format_count(text_count(load, "connections"), a),
            datagrams ? "flow" : "connection",
            text_count(load, "connections") == 1 ? "" : "s",
            sizes(text_at(load, "size"), size, sizeof size), loop,
            text_word(load, "engine"));
    const json_t *response = text_at(report, "latency.response");
    bool open = strcmp(text_word(load, "model"), "open") == 0;
    if (json_is_true(text_at(load, "one_way")))
        print_one_way_rate(report, out);
    else
        fprintf(
            out, "%s requests/s over %s, %s p50 %s, p99 %s",
            text_rounded(text_real(report, "throughput.requests_per_s"), a),
            units_format_duration(text_count(report, "window.length_ns"), b),
            open ? "response" : "round trip", text_quantile(response, 0.5, c),
            text_quantile(response, 0.99, d));
    uint64_t served = text_count(load, "flows.served");
    uint64_t offered = text_count(load, "flows.offered");
    if (served < offered)
        fprintf(out, " -- %llu of %llu served", (unsigned long long)served,
                (unsigned long long)offered);
    fputc('\n', out);
}
