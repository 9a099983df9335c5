/* What became of the requests, and of those who made them. */
#include "loadgen/report/text_parts.h"

static void print_accounting(const json_t *report, FILE *out)
{
    static const char *const names[] = {"sent",    "ok",         "error",
                                        "timeout", "unfinished", "skipped"};
    char text[UNITS_TEXT_MAX];
    fputs("\n  requests   ", out);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "accounting.%s", names[i]);
        fprintf(out, "%s%s %s", i ? ", " : " ", names[i],
                units_format_count(text_count(report, path), text));
    }
    fputc('\n', out);
    if (json_is_true(text_at(report, "load.one_way")))
        fputs("              ok is what the kernel took: nobody answers\n",
              out);
    if (!json_is_null(text_at(report, "accounting.oldest_unfinished_ns")))
        fprintf(
            out, "              the oldest unfinished one had waited %s\n",
            units_format_duration(
                text_count(report, "accounting.oldest_unfinished_ns"), text));
    const char *key;
    json_t *value;
    json_object_foreach(text_at(report, "accounting.errors"), key, value)
    {
        uint64_t count = (uint64_t)json_integer_value(value);
        if (count > 0)
            fprintf(out, "              %s: %s\n", key,
                    units_format_count(count, text));
    }
}

static void print_idle_clients(const json_t *idle, FILE *out)
{
    char a[UNITS_THINGS_MAX];
    char b[UNITS_THINGS_MAX];
    char c[UNITS_TEXT_MAX];
    char d[UNITS_TEXT_MAX];
    fprintf(
        out,
        "              beside them %s: connected %s, served %s, failed "
        "%s\n",
        units_format_things(text_count(idle, "count"), "silent client",
                            "silent clients", a),
        units_format_things(text_count(idle, "connected"), "time", "times", b),
        units_format_count(text_count(idle, "served"), c),
        units_format_count(text_count(idle, "failed"), d));
}

void text_requests(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    char c[UNITS_TEXT_MAX];
    const json_t *flows = text_at(report, "load.flows");
    const json_t *idle = text_at(report, "load.idle_clients");
    print_accounting(report, out);
    fprintf(out, "  flows       offered %s, connected %s, served %s\n",
            units_format_count(text_count(flows, "offered"), a),
            units_format_count(text_count(flows, "connected"), b),
            units_format_count(text_count(flows, "served"), c));
    if (json_is_object(idle))
        print_idle_clients(idle, out);
}

void text_tcp(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *tcp = text_at(report, "tcp");
    if (text_count(tcp, "connections") == 0)
        return;
    fprintf(out, "  tcp         %s, retransmitted %s of %s segments",
            text_word(tcp, "congestion_control"),
            units_format_count(text_count(tcp, "retransmitted"), a),
            units_format_count(text_count(tcp, "segments_sent"), b));
    if (json_is_integer(text_at(tcp, "out_of_order_packets")))
        fprintf(out, ", received out of order %s",
                units_format_count(text_count(tcp, "out_of_order_packets"), a));
    fputc('\n', out);
}
