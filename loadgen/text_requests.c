/* What became of the requests, and of those who made them. */
#include "loadgen/text_parts.h"

void text_requests(const json_t *report, FILE *out)
{
    static const char *const names[] = {"sent",    "ok",         "error",
                                        "timeout", "unfinished", "skipped"};
    fputs("\n  requests   ", out);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        char text[UNITS_TEXT_MAX];
        snprintf(path, sizeof path, "accounting.%s", names[i]);
        fprintf(out, "%s%s %s", i ? ", " : " ", names[i],
                units_format_count(text_count(report, path), text));
    }
    fputc('\n', out);
    if (!json_is_null(text_at(report, "accounting.oldest_unfinished_ns"))) {
        char text[UNITS_TEXT_MAX];
        fprintf(
            out, "              the oldest unfinished one had waited %s\n",
            units_format_duration(
                text_count(report, "accounting.oldest_unfinished_ns"), text));
    }
    const char *key;
    json_t *value;
    json_object_foreach(text_at(report, "accounting.errors"), key, value)
    {
        if (json_integer_value(value) > 0)
            fprintf(out, "              %s: %lld\n", key,
                    (long long)json_integer_value(value));
    }
    const json_t *flows = text_at(report, "load.flows");
    char a[UNITS_TEXT_MAX];
    fprintf(out, "  flows       offered %s, ",
            units_format_count(text_count(flows, "offered"), a));
    fprintf(out, "connected %s, ",
            units_format_count(text_count(flows, "connected"), a));
    fprintf(out, "served %s\n",
            units_format_count(text_count(flows, "served"), a));
    const json_t *idle = text_at(report, "load.idle_clients");
    if (json_is_object(idle))
        fprintf(
            out,
            "              beside them %llu silent client%s: connected %llu "
            "times, served %llu, failed %llu\n",
            (unsigned long long)text_count(idle, "count"),
            text_count(idle, "count") == 1 ? "" : "s",
            (unsigned long long)text_count(idle, "connected"),
            (unsigned long long)text_count(idle, "served"),
            (unsigned long long)text_count(idle, "failed"));
}

void text_tcp(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    const json_t *tcp = text_at(report, "tcp");
    if (!json_is_object(tcp))
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
