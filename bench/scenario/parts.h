/*
 * A scenario while it is read, as its rooms see it: `scenario` goes from the
 * file to the struct, `servers` and `loads` (with the sweep,
 * whose values are those of loads) read its rows, `place` the CPUs and
 * the network namespace. `members` and `settings` know how JSON is read, and
 * nothing of scenarios.
 */
#ifndef SOCKBENCH_BENCH_SCENARIO_PARTS_H
#define SOCKBENCH_BENCH_SCENARIO_PARTS_H

#include "bench/scenario/members.h"
#include "bench/scenario/scenario.h"

struct draft {
    struct source source;
    const struct scenario_words *words;
    bool is_sharded; /* the layout, which is read before the rows */
};

/* All: 0, or -EINVAL with the line written, or -ENOMEM. What they fill belongs
 * to the scenario also when they fail. */
int scenario_read_layout(const struct draft *draft, const struct path *root,
                         json_t *object, struct layout *layout);
int scenario_read_space(const struct draft *draft, const struct path *root,
                        json_t *object, enum space *ret_space);
int scenario_read_servers(const struct draft *draft, const struct path *root,
                          struct scenario *scenario);
int scenario_read_loads(const struct draft *draft, const struct path *root,
                        struct scenario *scenario);
int scenario_read_sweeps(const struct draft *draft, const struct path *root,
                         struct scenario *scenario);

/* What rows of servers and of loads both have. Names become parts of a cell's
 * key, which --only matches as a glob. */
int scenario_read_name(const struct draft *draft, json_t *object,
                       const struct path *path, const char **ret_name);
int scenario_read_transport(const struct draft *draft, json_t *object,
                            const struct path *path, enum transport *ret);
int scenario_read_server_options(const struct draft *draft, json_t *object,
                                 const struct path *path, const char *key,
                                 struct settings *ret_settings);

#endif
