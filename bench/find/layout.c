#include "bench/find/layout.h"

#include "servers/cli/cpuset.h"
#include "servers/cli/log.h"

#include <stdio.h>
#include <string.h>

/* All that is allowed but these; these where nothing is left. */
static void others(const cpu_set_t *allowed, const char *cpus,
                   char text[static LAYOUT_CPUS_MAX])
{
    cpu_set_t taken;
    cpu_set_t rest;
    (void)cpuset_parse(cpus, &taken); /* checked as an option */
    CPU_AND(&taken, &taken, allowed);
    CPU_XOR(&rest, allowed, &taken);
    cpuset_format(CPU_COUNT(&rest) > 0 ? &rest : allowed, text,
                  LAYOUT_CPUS_MAX);
}

/* Where nothing is known of the server's CPUs. NULL, or why it cannot be. */
static const char *check_alone(const struct layout *layout,
                               const cpu_set_t *allowed)
{
    cpu_set_t both;
    cpu_set_t wanted;
    (void)cpuset_parse(layout->generator_cpus, &wanted); /* checked */
    CPU_AND(&both, &wanted, allowed);
    return CPU_EQUAL(&both, &wanted) ? NULL
                                     : "--cpus names a CPU that may not be "
                                       "used here";
}

/* The CPUs as they were given, and those of the other side. */
static void take_cpus(struct layout *layout, const struct find_options *options,
                      const cpu_set_t *allowed, bool ours)
{
    layout->kind = LAYOUT_EXPLICIT;
    if (options->load.cpus)
        snprintf(layout->generator_cpus, LAYOUT_CPUS_MAX, "%s",
                 options->load.cpus);
    else
        others(allowed, options->load.server_cpus, layout->generator_cpus);
    if (options->load.server_cpus)
        snprintf(layout->server_cpus, LAYOUT_CPUS_MAX, "%s",
                 options->load.server_cpus);
    else if (ours)
        others(allowed, options->load.cpus, layout->server_cpus);
}

int find_layout(const struct find_options *options, bool ours,
                struct layout *layout, char why[static FIND_LAYOUT_WHY_MAX])
{
    bool given = options->load.cpus || options->load.server_cpus;
    cpu_set_t allowed;
    char text[LAYOUT_CPUS_MAX];
    int r = cpuset_allowed(&allowed);
    if (r < 0) {
        snprintf(why, FIND_LAYOUT_WHY_MAX,
                 "cannot see which CPUs may be used: %s", strerror(-r));
        return EXIT_FAILED;
    }
    if (options->layout && (given || !ours)) {
        snprintf(why, FIND_LAYOUT_WHY_MAX, "--layout %s: %s", options->layout,
                 ours ? "the CPUs are given already"
                      : "for a server that is started here");
        return EXIT_USAGE;
    }
    layout->kind = CPU_COUNT(&allowed) > 1 ? LAYOUT_SPLIT : LAYOUT_SHARED;
    if (options->layout)
        (void)layout_kind_of(options->layout, &layout->kind); /* a choice */
    else if (given)
        take_cpus(layout, options, &allowed, ours);
    else if (!ours)
        layout->kind = LAYOUT_FREE;
    const char *impossible =
        *layout->server_cpus || layout->kind != LAYOUT_EXPLICIT
            ? layout_settle(layout, &allowed)
            : check_alone(layout, &allowed);
    if (!impossible)
        return EXIT_PASS;
    snprintf(why, FIND_LAYOUT_WHY_MAX, "%s (allowed: %s)", impossible,
             cpuset_format(&allowed, text, sizeof text));
    return EXIT_IMPOSSIBLE;
}
