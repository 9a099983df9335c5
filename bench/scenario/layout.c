#include "bench/scenario/layout.h"

#include "servers/cli/cpuset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"split", "shared", "sharded", "free",
                                    "explicit"};

int layout_kind_of(const char *name, enum layout_kind *ret_kind)
{
    for (int kind = LAYOUT_SPLIT; kind < LAYOUT_EXPLICIT; kind++) {
        if (strcmp(name, names[kind]) != 0)
            continue;
        *ret_kind = (enum layout_kind)kind;
        return 0;
    }
    return -EINVAL;
}

const char *layout_name(const struct layout *layout)
{
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

static const char *settle_sharded(struct layout *layout,
                                  const cpu_set_t *allowed)
{
    cpu_set_t read;
    cpuset_format(allowed, layout->server_cpus, sizeof layout->server_cpus);
    cpuset_format(allowed, layout->generator_cpus,
                  sizeof layout->generator_cpus);
    layout->shards = (unsigned)CPU_COUNT(allowed);
    if (layout->shards < 2)
        return "the sharded layout needs two CPUs, and one may be used here";
    if (layout->shards > LAYOUT_SHARDS_MAX)
        return "the sharded layout is for 256 CPUs at most, and more may be "
               "used here";
    /* A list of CPUs in no order may be too long to be written. */
    return cpuset_parse(layout->server_cpus, &read) == 0 &&
                   CPU_EQUAL(&read, allowed)
               ? NULL
               : "the CPUs that may be used here are too many to be named";
}

const char *layout_settle(struct layout *layout, const cpu_set_t *allowed)
{
    if (layout->kind == LAYOUT_FREE)
        return NULL;
    if (layout->kind == LAYOUT_SHARDED)
        return settle_sharded(layout, allowed);
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

bool layout_may_share(const struct layout *layout)
{
    return layout->kind == LAYOUT_FREE ||
           (*layout->server_cpus && !layout_is_apart(layout));
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
