/* What the figures rest on, and what follows from that. */
#include "loadgen/report/text_parts.h"

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

/* What others took. */
static void print_disturbance(const json_t *report, FILE *out)
{
    static const struct {
        const char *path, *lead, *rest;
    } table[] = {
        {"evidence.foreign_cpu.foreign_ratio", "others used ",
         " of the generator's CPUs"},
        {"evidence.waited_ratio", "a thread waited for a CPU for ",
         " of the window"},
        {"evidence.steal_ratio", "stolen ", ""},
        {"evidence.throttling.throttled_ratio", "throttled ", ""},
    };
    bool any = false;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (!json_is_number(text_at(report, table[i].path)))
            continue;
        fprintf(out, "%s%s%.1f %%%s", any ? ", " : "  disturbance ",
                table[i].lead, 100 * text_real(report, table[i].path),
                table[i].rest);
        any = true;
    }
    if (any)
        fputc('\n', out);
}

/* Where it is not the one that would have been preferred, or does more. */
static void print_engine(const json_t *report, FILE *out)
{
    const json_t *note = text_at(report, "load.engine_note");
    bool blocks = json_is_true(text_at(report, "load.udp_offload"));
    if (json_is_string(note))
        fprintf(out, "  engine      %s: %s\n", text_word(report, "load.engine"),
                json_string_value(note));
    else if (blocks)
        fprintf(out, "  engine      %s, UDP in blocks\n",
                text_word(report, "load.engine"));
}

static void print_generator(const json_t *report, FILE *out)
{
    char text[UNITS_TEXT_MAX];
    const json_t *busy = text_at(report, "evidence.busy_ratio");
    fputs("  generator   ", out);
    if (!json_is_number(busy)) {
        fputs("not measured: " TEXT_NO_WINDOW "\n", out);
        return;
    }
    if (json_is_number(text_at(report, "generator.cpu_ns_per_request")))
        fprintf(out, "%s ns of CPU a request, ",
                text_figure(report, "generator.cpu_ns_per_request", text));
    fprintf(out, "busy %.1f %% of the window", 100 * json_number_value(busy));
    if (json_is_number(text_at(report, "generator.ceiling_per_s")))
        fprintf(out, ", ceiling %s requests/s",
                text_figure(report, "generator.ceiling_per_s", text));
    fputc('\n', out);
}

static uint64_t wrong_replies(const json_t *report)
{
    uint64_t wrong = 0;
    const char *key;
    json_t *value;
    json_object_foreach(text_at(report, "load.content_faults"), key, value)
        wrong += (uint64_t)json_integer_value(value);
    return wrong;
}

static void print_content(const json_t *report, FILE *out)
{
    char text[UNITS_TEXT_MAX];
    uint64_t wrong = wrong_replies(report);
    bool none = text_count(report, "generator.requests_total") + wrong == 0;
    bool has_no_number =
        strcmp(text_word(report, "load.frame"), "none") == 0 &&
        strcmp(text_word(report, "server.service"), "greeting") != 0;
    fputs("  content     ", out);
    if (json_is_true(text_at(report, "load.one_way")))
        fputs("nothing comes back to be checked\n", out);
    else if (!json_is_true(text_at(report, "load.verified")))
        fputs("not checked (--no-verify)\n", out);
    else if (none)
        fputs("no reply came to be checked\n", out);
    else if (wrong > 0)
        fprintf(out, "every byte of every reply checked: %s wrong\n",
                units_format_count(wrong, text));
    else if (has_no_number)
        fprintf(out,
                "every byte checked; below 20 bytes a request has no number,\n"
                "              so a reply to the wrong request is %s\n",
                json_is_object(text_at(report, "udp"))
                    ? "not seen"
                    : "seen only where its bytes differ");
    else
        fputs("every byte of every reply checked\n", out);
}

void text_evidence(const json_t *report, FILE *out)
{
    print_engine(report, out);
    print_layout(report, out);
    print_generator(report, out);
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
