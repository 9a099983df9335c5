/* What this machine has to grant, asked of it before the first packet: a
 * congestion control, descriptors, source addresses, ports, CPUs. */
#include "loadgen/plan/parts.h"

#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"
#include "servers/cli/units.h"
#include "servers/wire/congestion.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* For a format: a number as a person reads it. */
#define COUNT(n) units_format_count((n), (char[UNITS_TEXT_MAX]){0})

#define DESCRIPTORS_BESIDE 32u /* standard streams, rings, epoll, files */

/* Tried, since only the kernel knows. */
static int check_congestion(const struct plan *plan, struct plan_error *error)
{
    const char *name = plan->options.tcp_cc;
    char why[240] = "";
    if (!name)
        return 0;
    int r = congestion_try(name, why, sizeof why);
    if (r == 0)
        return 0;
    return plan_fail(error, r == -EINVAL ? EXIT_USAGE : EXIT_IMPOSSIBLE,
                     "--tcp-cc '%s': %s", name, *why ? why : strerror(-r));
}

/* Raises the soft limit to the hard one, and says before the run what a run
 * would die of. */
static int check_descriptors(const struct plan *plan, struct plan_error *error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    uint64_t needed = plan->options.connections + plan->course.idlers.count +
                      2 * plan->options.threads + DESCRIPTORS_BESIDE;
    if (limit.rlim_cur == RLIM_INFINITY || needed <= limit.rlim_cur)
        return 0;
    return plan_fail(error, EXIT_IMPOSSIBLE,
                     "%s connections need %s descriptors, %s are allowed "
                     "(ulimit -Hn)",
                     COUNT(plan->options.connections), COUNT(needed),
                     COUNT((uint64_t)limit.rlim_cur));
}

static int check_sources(struct plan *plan, struct plan_error *error)
{
    const struct load_options *o = &plan->options;
    const struct address *target = &plan->course.target;
    const char *why = NULL;
    char host[ADDRESS_TEXT_MAX];
    char port[8];
    if (!o->source)
        return 0;
    if (sources_parse(o->source, &plan->course.sources, &why) < 0)
        return plan_fail(error, EXIT_FAILED, "out of memory");
    for (uint32_t i = 0; i < plan->course.sources.count; i++) {
        const struct address *source = &plan->course.sources.list[i];
        if (source->u.any.sa_family != target->u.any.sa_family)
            return plan_fail(
                error, EXIT_USAGE,
                "--source '%s': %s is reached from addresses of its "
                "own family",
                o->source, plan->target_text);
    }
    int r = 0;
    const struct address *bad =
        sources_find_bad(&plan->course.sources, target->socket_type, &r);
    if (!bad)
        return 0;
    address_format_parts(bad, host, port);
    return plan_fail(error, EXIT_USAGE,
                     "--source '%s': cannot send from it: %s", host,
                     strerror(-r));
}

static int check_ports(const struct plan *plan, struct plan_error *error)
{
    if (plan->course.target.u.any.sa_family == AF_UNIX)
        return 0;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    unsigned low = 32768;
    unsigned high = 60999;
    if (file) {
        char line[64] = "";
        char *end = line;
        if (fgets(line, sizeof line, file)) {
            low = (unsigned)strtoul(line, &end, 10);
            high = (unsigned)strtoul(end, NULL, 10);
        }
        fclose(file);
    }
    uint64_t ports = high >= low ? high - low + 1 : 0;
    uint64_t sources = plan->course.sources.count;
    const uint64_t all = plan->options.connections + plan->course.idlers.count;
    uint64_t each = sources > 1 ? (all + sources - 1) / sources : all;
    if (each <= ports)
        return 0;
    if (sources > 1)
        return plan_fail(error, EXIT_IMPOSSIBLE,
                         "%s connections from %s addresses need %s ports of "
                         "each, %s are there (net.ipv4.ip_local_port_range)",
                         COUNT(all), COUNT(sources), COUNT(each), COUNT(ports));
    return plan_fail(error, EXIT_IMPOSSIBLE,
                     "%s connections from one address need as many ports, %s "
                     "are there (net.ipv4.ip_local_port_range)",
                     COUNT(all), COUNT(ports));
}

static bool holds(const cpu_set_t *set, const cpu_set_t *part)
{
    cpu_set_t both;
    CPU_AND(&both, set, part);
    return CPU_EQUAL(&both, part);
}

/* The server may use others than this program, but none that is not there. */
static int check_server_cpus(const struct plan *plan, struct plan_error *error)
{
    const char *list = plan->options.server_cpus;
    cpu_set_t wanted;
    cpu_set_t online;
    char text[256];
    if (!list || cpuset_parse(list, &wanted) < 0 ||
        cpuset_online(&online) < 0 || holds(&online, &wanted))
        return 0;
    return plan_fail(error, EXIT_IMPOSSIBLE,
                     "--server-cpus '%s': this machine has CPUs %s", list,
                     cpuset_format(&online, text, sizeof text));
}

static int choose_cpus(struct plan *plan, struct plan_error *error)
{
    uint32_t n = (uint32_t)plan->options.threads;
    plan->cpus = calloc(n, sizeof *plan->cpus);
    if (!plan->cpus)
        return plan_fail(error, EXIT_FAILED, "out of memory");
    cpu_set_t wanted;
    cpu_set_t allowed;
    for (uint32_t i = 0; i < n; i++)
        plan->cpus[i] = -1;
    if (!plan->options.cpus || cpuset_parse(plan->options.cpus, &wanted) < 0)
        return 0;
    int r = cpuset_allowed(&allowed);
    if (r == 0 && !holds(&allowed, &wanted)) {
        char text[256];
        return plan_fail(error, EXIT_IMPOSSIBLE,
                         "--cpus '%s': only CPUs %s may be used here",
                         plan->options.cpus,
                         cpuset_format(&allowed, text, sizeof text));
    }
    for (uint32_t i = 0; i < n; i++)
        plan->cpus[i] = cpuset_nth(&wanted, i);
    return 0;
}

int plan_check_machine(struct plan *plan, struct plan_error *error)
{
    if (check_congestion(plan, error) < 0 ||
        check_descriptors(plan, error) < 0 || check_sources(plan, error) < 0 ||
        check_ports(plan, error) < 0 || check_server_cpus(plan, error) < 0)
        return -1;
    return choose_cpus(plan, error);
}
