#include "loadgen/selftest/text.h"

#include "servers/cli/units.h"

#include <string.h>

/* The report as a person reads it, from its JSON and nothing else. */

static const json_t *at(const json_t *object, const char *first,
                        const char *second)
{
    return json_object_get(json_object_get(object, first), second);
}

static double real_at(const json_t *object, const char *first,
                      const char *second)
{
    return json_number_value(at(object, first, second));
}

static const char *text_of(const json_t *value)
{
    const char *text = json_string_value(value);
    return text ? text : "-";
}

static const char *late(const json_t *pacing, const char *key,
                        char text[static UNITS_TEXT_MAX])
{
    const json_t *value = json_object_get(pacing, key);
    return json_is_integer(value)
               ? units_format_duration((uint64_t)json_integer_value(value),
                                       text)
               : "-";
}

static void print_raw(const json_t *report, FILE *out)
{
    static const char *const keys[] = {"tcp", "udp", "unix", "unix_dgram"};
    static const char *const names[] = {"TCP", "UDP", "Unix stream",
                                        "Unix datagram"};
    fputs("  raw loop    one thread, both ends, 64 B: the limit of this "
          "machine\n",
          out);
    const json_t *raw = json_object_get(report, "raw_loop");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char text[UNITS_TEXT_MAX];
        const json_t *kind = json_object_get(raw, keys[i]);
        if (!json_is_object(kind)) {
            fprintf(out, "              %-13s  not possible here: %s\n",
                    names[i], text_of(at(raw, "absent", keys[i])));
            continue;
        }
        const double rate =
            json_number_value(json_object_get(kind, "round_trips_per_s"));
        fprintf(out, "              %-13s %9s round trips/s, %.2f us each\n",
                names[i], units_format_count((uint64_t)(rate + 0.5), text),
                1e6 / rate);
    }
}

static void print_pacing(const json_t *report, FILE *out)
{
    static const char *const keys[] = {"spinning", "sleeping"};
    static const char *const names[] = {"pacing", ""};
    for (size_t i = 0; i < 2; i++) {
        char rate[UNITS_TEXT_MAX];
        char median[UNITS_TEXT_MAX];
        char tail[UNITS_TEXT_MAX];
        const json_t *pacing = at(report, "pacing", keys[i]);
        const double per_s =
            json_number_value(json_object_get(pacing, "rate_per_s"));
        fprintf(out, "  %-11s %s at %s/s: late by p50 %s, p99 %s\n", names[i],
                keys[i], units_format_count((uint64_t)per_s, rate),
                late(pacing, "late_p50_ns", median),
                late(pacing, "late_p99_ns", tail));
    }
}

void selftest_print(const json_t *report, bool kept, FILE *out)
{
    const json_t *machine = json_object_get(report, "machine");
    fprintf(out, "%s, Linux %s, CPU %lld%s\n",
            text_of(json_object_get(machine, "cpu_model")),
            text_of(json_object_get(machine, "kernel")),
            (long long)json_integer_value(json_object_get(machine, "cpu")),
            json_is_true(json_object_get(report, "quick")) ? ", in haste" : "");
    fprintf(out, "measured %s%s\n\n",
            text_of(json_object_get(report, "measured_utc")),
            kept ? " and kept (--refresh measures anew)" : "");
    fprintf(
        out,
        "  generator   %.0f ns a request of its own (made, framed, checked, "
        "recorded), %.0f ns\n              unchecked; 64 B, no network\n",
        real_at(report, "generator", "verified_ns_per_request"),
        real_at(report, "generator", "unverified_ns_per_request"));
    print_raw(report, out);
    print_pacing(report, out);
    fprintf(
        out,
        "  clock       %s, %.1f ns a reading (clock_gettime %.1f ns, "
        "resolution %lld ns)\n",
        text_of(at(report, "clock", "source")),
        real_at(report, "clock", "reading_ns"),
        real_at(report, "clock", "clock_gettime_ns"),
        (long long)json_integer_value(at(report, "clock", "resolution_ns")));
    fprintf(out, "  histogram   %.1f ns a sample",
            real_at(report, "histogram", "sample_ns"));
    const json_t *share = at(report, "histogram", "with_clock_ratio_of_tcp");
    if (json_is_number(share))
        fprintf(out, "; with a reading of the clock %.4f of a TCP round trip",
                json_number_value(share));
    fputc('\n', out);
}
