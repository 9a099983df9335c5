#include "bench/layout.h"

#include "servers/cli/cpuset.h"

#include <stdio.h>

const char *layout_name(const struct layout *layout)
{
    static const char *const names[] = {"split", "shared", "explicit"};
    return names[layout->kind];
}

static bool is_allowed(const char *cpus, const cpu_set_t *allowed)
{
    cpu_set_t wanted;
    cpu_set_t both;
    if (cpuset_parse(cpus, &wanted) < 0)
        return false;
    CPU_AND(&both, &wanted, allowed);
    return CPU_EQUAL(&both, &wanted);
}

const char *layout_settle(struct layout *layout, const cpu_set_t *allowed)
{
    if (layout->kind == LAYOUT_EXPLICIT) {
        return is_allowed(layout->server_cpus, allowed) &&
                       is_allowed(layout->generator_cpus, allowed)
                   ? NULL
                   : "the layout names a CPU that may not be used here";
    }
    unsigned second = layout->kind == LAYOUT_SPLIT;
    snprintf(layout->server_cpus, sizeof layout->server_cpus, "%d",
             cpuset_nth(allowed, 0));
    snprintf(layout->generator_cpus, sizeof layout->generator_cpus, "%d",
             cpuset_nth(allowed, second));
    if (CPU_COUNT(allowed) < 1 + (int)second)
        return "the split layout needs two CPUs, and one may be used here";
    return NULL;
}

bool layout_is_apart(const struct layout *layout)
{
    cpu_set_t server;
    cpu_set_t generator;
    cpu_set_t both;
    if (cpuset_parse(layout->server_cpus, &server) < 0 ||
        cpuset_parse(layout->generator_cpus, &generator) < 0)
        return false;
    CPU_AND(&both, &server, &generator);
    return CPU_COUNT(&both) == 0;
}
