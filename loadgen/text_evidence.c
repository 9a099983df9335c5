/* What the figures rest on, and what follows from that. */
#include "loadgen/text_parts.h"

#include <string.h>

static void print_layout(const json_t *report, FILE *out)
{
    const json_t *shared = text_at(report, "evidence.shared_cpus");
    const char *layout = text_word(report, "load.layout");
    fprintf(out, "  layout      %s", layout);
    if (strcmp(layout, "free") == 0) {
        bool told = json_is_string(text_at(report, "config.server_cpus"));
        fprintf(out, ": %s\n",
                told ? "the generator is not pinned (--cpus)"
                     : "the server's CPUs are not known (--server-cpus)");
        return;
    }
    if (json_array_size(shared) == 0) {
        fprintf(out, ": server on CPU %s, generator on CPU %s\n",
                text_word(report, "config.server_cpus"),
                text_word(report, "config.cpus"));
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
    const json_t *ratio = text_at(report, "evidence.machine.of_limit_ratio");
    const char *address = text_word(report, "target.address");
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
    bool little = json_is_number(text_at(report, "evidence.littles_law_ratio"));
    bool drift = json_is_number(text_at(report, "stationarity.drift_ratio"));
    if (little || drift)
        fputs("  steadiness  ", out);
    if (little)
        fprintf(out, "Little's law %.3f",
                text_real(report, "evidence.littles_law_ratio"));
    if (drift)
        fprintf(out, "%ssecond half of the window %+.1f %%", little ? ", " : "",
                100 * text_real(report, "stationarity.drift_ratio"));
    if (little || drift)
        fputc('\n', out);
}

static void print_taken(const json_t *report, const char *path,
                        const char *words, bool *first, FILE *out)
{
    double share = text_real(report, path);
    if (!json_is_number(text_at(report, path)))
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

static void print_content(const json_t *report, FILE *out)
{
    const bool has_no_number =
        strcmp(text_word(report, "load.frame"), "none") == 0;
    if (json_is_true(text_at(report, "load.one_way")))
        fputs("  content     nothing comes back to be checked\n", out);
    else if (!json_is_true(text_at(report, "load.verified")))
        fputs("  content     not checked (--no-verify)\n", out);
    else if (has_no_number && json_is_object(text_at(report, "udp")))
        fputs("  content     every byte checked; below 20 bytes a request has "
              "no number,\n              so a reply to the wrong request is "
              "not seen\n",
              out);
    else if (has_no_number &&
             strcmp(text_word(report, "load.service"), "greeting") != 0)
        fputs("  content     every byte checked; below 20 bytes a request has "
              "no number,\n              so a reply to the wrong request is "
              "seen only where its bytes differ\n",
              out);
    else
        fputs("  content     every byte of every reply checked\n", out);
}

void text_evidence(const json_t *report, FILE *out)
{
    char a[UNITS_TEXT_MAX];
    char b[UNITS_TEXT_MAX];
    print_layout(report, out);
    fprintf(out, "  generator   %s ns of CPU a request",
            text_figure(report, "generator.cpu_ns_per_request", a));
    double busiest = 0;
    size_t i;
    const json_t *row;
    json_array_foreach(text_at(report, "generator.threads"), i, row)
    {
        double busy = text_real(row, "busy_ratio");
        busiest = busy > busiest ? busy : busiest;
    }
    fprintf(out, ", busy %.2f of the window, ceiling %s requests/s\n", busiest,
            text_figure(report, "generator.ceiling_per_s", b));
    print_steadiness(report, out);
    print_disturbance(report, out);
    print_limit(report, out);
    print_content(report, out);
}

void text_verdict(const json_t *report, FILE *out)
{
    static const struct {
        const char *claim, *words;
    } table[] = {{"throughput", "the rate"},
                 {"latency", "latencies"},
                 {"server_cpu", "the server's CPU per request"},
                 {"loss", "loss"},
                 {"content", "the content of replies"},
                 {"order", "order and duplicates"}};
    fprintf(out, "  verdict     %s\n", text_word(report, "verdict.status"));
    size_t i;
    const json_t *reason;
    json_array_foreach(text_at(report, "verdict.reasons"), i, reason)
        fprintf(out, "              %s\n", json_string_value(reason));
    const json_t *claims = text_at(report, "verdict.withdrawn");
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
