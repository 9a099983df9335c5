/* The rows of "loads", and "sweep": both set options of sockbench-load. */
#include "bench/scenario/parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const load_reserved[] = {
    "service",     "cpus",        "seed", "output",  "json",
    "quiet",       "label",       "help", "version", "server-trace",
    "json-stream", "server-cpus", NULL};
static const char *const load_sharded[] = {"threads", NULL};
static const char *const load_own[] = {"name",           "title", "transport",
                                       "server_options", "trace", NULL};

static int read_trace(const struct draft *draft, json_t *object,
                      const struct path *path, bool *ret_trace)
{
    const json_t *value = json_object_get(object, "trace");
    struct path at = {path, "trace", 0};
    if (value && !json_is_boolean(value))
        return refuse_value(&draft->source, &at, "'trace' is true or false");
    *ret_trace = json_is_true(value);
    return 0;
}

static int read_load(const struct draft *draft, json_t *object,
                     const struct path *path, struct scenario_load *load)
{
    struct option_words words = {draft->words->load_table, load_reserved,
                                 draft->is_sharded ? load_sharded : NULL,
                                 load_own};
    if (!json_is_object(object))
        return refuse_value(&draft->source, path, "a load is an object");
    int r = scenario_read_name(draft, object, path, &load->name);
    if (r == 0 && !load->name)
        r = refuse_value(&draft->source, path, "a load needs a name");
    if (r == 0)
        r = member_text(&draft->source, object, path, "title", &load->title);
    if (r == 0)
        r = scenario_read_transport(draft, object, path, &load->transport);
    if (r == 0)
        r = read_trace(draft, object, path, &load->trace);
    if (r == 0)
        r = settings_read(&draft->source, object, path, &words, &load->options);
    if (r == 0)
        r = scenario_read_server_options(draft, object, path, "server_options",
                                         &load->server_options);
    struct path requests = {path, "requests", 0};
    if (r == 0 && settings_get(&load->options, "requests") &&
        settings_get(&load->options, "duration"))
        r = refuse_key(&draft->source, &requests,
                       "a load has a duration or a number of requests");
    return r;
}

int scenario_read_loads(const struct draft *draft, const struct path *root,
                        struct scenario *scenario)
{
    json_t *list;
    struct path at = {root, "loads", 0};
    int r = member_container(&draft->source, scenario->json, root, "loads",
                             true, SCENARIO_ROWS_MAX, &list);
    if (r < 0)
        return r;
    if (!list)
        return refuse_value(&draft->source, root, "no loads");
    scenario->loads = calloc(json_array_size(list), sizeof *scenario->loads);
    if (!scenario->loads)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct path row = {&at, NULL, i};
        struct scenario_load *load = &scenario->loads[i];
        scenario->load_count++;
        r = read_load(draft, json_array_get(list, i), &row, load);
        if (r < 0)
            return r;
        assert(load->name);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(scenario->loads[k].name, load->name) == 0)
                return refuse_value(&draft->source, &row, "a second load '%s'",
                                    load->name);
        }
    }
    return 0;
}

static int read_sweep(const struct draft *draft, json_t *object,
                      const struct path *path, const char *name,
                      struct sweep *sweep)
{
    json_t *list;
    struct path at = {path, name, 0};
    int r = member_container(&draft->source, object, path, name, true,
                             SCENARIO_ROWS_MAX, &list);
    if (r < 0)
        return r;
    sweep->name = name;
    sweep->texts = calloc(json_array_size(list), sizeof *sweep->texts);
    if (!sweep->texts)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct path value = {&at, NULL, i};
        r = setting_read(&draft->source, &value, draft->words->load_table, name,
                         json_array_get(list, i), &sweep->texts[i]);
        if (r < 0)
            return r;
        sweep->count++;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(sweep->texts[k], sweep->texts[i]) == 0)
                return refuse_value(&draft->source, &value,
                                    "'%s' stands here twice", sweep->texts[i]);
        }
    }
    return 0;
}

int scenario_read_sweeps(const struct draft *draft, const struct path *root,
                         struct scenario *scenario)
{
    json_t *object;
    json_t *value;
    const char *name;
    struct path at = {root, "sweep", 0};
    struct option_words words = {draft->words->load_table, load_reserved,
                                 draft->is_sharded ? load_sharded : NULL, NULL};
    int r = member_container(&draft->source, scenario->json, root, "sweep",
                             false, SCENARIO_SWEEPS_MAX, &object);
    if (r < 0 || !object)
        return r;
    scenario->sweeps = calloc(SCENARIO_SWEEPS_MAX, sizeof *scenario->sweeps);
    if (!scenario->sweeps)
        return -ENOMEM;
    json_object_foreach(object, name, value)
    {
        struct path key = {&at, name, 0};
        r = setting_check(&draft->source, &key, &words);
        if (r < 0)
            return r;
        struct sweep *sweep = &scenario->sweeps[scenario->sweep_count++];
        r = read_sweep(draft, object, &at, name, sweep);
        if (r < 0)
            return r;
    }
    return 0;
}
