#include "bench/trial/foreign.h"

#include "loadgen/measure/report.h"
#include "servers/cli/cpuset.h"

#include <stdio.h>
#include <string.h>

void foreign_begin(struct foreign *foreign)
{
    foreign->began = machine_read(NULL, &foreign->before) == 0;
}

void foreign_end(struct foreign *foreign)
{
    foreign->ended = foreign->began && machine_read(NULL, &foreign->after) == 0;
}

static bool holds(const json_t *list, const char *text)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

/* What load's own verdict could not know. A worse one stands. */
static void condemn(json_t *verdict, double ratio)
{
    static const char *const claims[] = {"throughput", "latency", "server_cpu"};
    const char *status = json_string_value(json_object_get(verdict, "status"));
    json_t *withdrawn = json_object_get(verdict, "withdrawn");
    char reason[96];
    if (status &&
        (strcmp(status, "ok") == 0 || strcmp(status, "server_bound") == 0))
        put_text(verdict, "status", "unstable");
    snprintf(reason, sizeof reason, "others used %.0f %% of the server's CPUs",
             100 * ratio);
    json_array_append_new(json_object_get(verdict, "reasons"),
                          json_string(reason));
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        if (!holds(withdrawn, claims[i]))
            json_array_append_new(withdrawn, json_string(claims[i]));
    }
}

void foreign_put(const struct foreign *foreign, const char *server_cpus,
                 uint64_t measured_ns, json_t *report)
{
    json_t *evidence = json_object_get(report, "evidence");
    cpu_set_t cpus;
    int r =
        *server_cpus ? cpuset_parse(server_cpus, &cpus) : cpuset_allowed(&cpus);
    if (!json_is_object(evidence) || !foreign->ended || r < 0)
        return;
    const struct machine_sample *before = &foreign->before;
    const struct machine_sample *after = &foreign->after;
    unsigned count = machine_count(before, after, &cpus);
    uint64_t span_ns = after->at_ns - before->at_ns;
    uint64_t busy_ns = machine_busy_ns(before, after, &cpus);
    /* The bench looks after both, and may do so on these CPUs. */
    uint64_t own_ns = measured_ns + after->own_cpu_ns - before->own_cpu_ns;
    uint64_t foreign_ns = machine_foreign_ns(busy_ns, own_ns);
    double ratio = (double)foreign_ns / ((double)span_ns * count);
    json_t *out = put_object(evidence, "server_foreign_cpu");
    json_t *list = put_array(out, "cpus");
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &cpus))
            json_array_append_new(list, json_integer((json_int_t)cpu));
    }
    put_count(out, "observed_ns", span_ns);
    put_count(out, "busy_ns", busy_ns);
    put_count(out, "own_ns", own_ns);
    put_count(out, "foreign_ns", foreign_ns);
    put_real(out, "foreign_ratio", ratio);
    put_null(out, "reason");
    if (machine_is_disturbed(foreign_ns, span_ns, count))
        condemn(json_object_get(report, "verdict"), ratio);
}
