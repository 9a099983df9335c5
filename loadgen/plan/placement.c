#include "loadgen/plan/placement.h"

#include "servers/cli/cpuset.h"

#include <stddef.h>

void placement_judge(struct placement *placement, const int *cpus,
                     uint32_t threads, const char *server_cpus)
{
    cpu_set_t generator;
    bool pinned = true;
    CPU_ZERO(&generator);
    *placement = (struct placement){.kind = PLACEMENT_FREE};
    placement->server_known =
        server_cpus && cpuset_parse(server_cpus, &placement->server) == 0;
    for (uint32_t i = 0; i < threads; i++) {
        if (cpus[i] >= 0)
            CPU_SET((size_t)cpus[i], &generator);
        else
            pinned = false;
    }
    if (!pinned || !placement->server_known)
        return;
    CPU_AND(&placement->shared, &generator, &placement->server);
    if (CPU_COUNT(&placement->shared) == 0)
        placement->kind = PLACEMENT_SPLIT;
    else if (CPU_EQUAL(&generator, &placement->server) &&
             CPU_COUNT(&generator) == (int)threads && threads > 1)
        placement->kind = PLACEMENT_SHARDED;
    else
        placement->kind = PLACEMENT_SHARED;
}

const char *placement_name(const struct placement *placement)
{
    static const char *const names[] = {"free", "split", "shared", "sharded"};
    return names[placement->kind];
}

bool placement_spins_on_server(const struct placement *placement,
                               const cpu_set_t *allowed)
{
    cpu_set_t both;
    if (!placement->server_known || placement->kind == PLACEMENT_SPLIT)
        return false;
    if (placement->kind != PLACEMENT_FREE)
        return true;
    CPU_AND(&both, allowed, &placement->server);
    return CPU_COUNT(&both) > 0;
}
