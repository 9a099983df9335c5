/* Where it runs: "layout" and "namespace". */
#include "bench/scenario/parts.h"

#include "servers/cli/cpuset.h"

#include <stdio.h>
#include <string.h>

static const char *const layout_keys[] = {"server", "generator", NULL};

static int read_layout_cpus(const struct draft *draft, json_t *object,
                            const struct path *path, const char *key,
                            char cpus[static LAYOUT_CPUS_MAX])
{
    struct path at = {path, key, 0};
    const char *text = NULL;
    cpu_set_t set;
    int r = member_text(&draft->source, object, path, key, &text);
    if (r < 0)
        return r;
    if (!text || strlen(text) >= LAYOUT_CPUS_MAX ||
        cpuset_parse(text, &set) < 0)
        return refuse_value(&draft->source, &at,
                            "%s must be a list of CPUs such as \"0,2-3\"", key);
    snprintf(cpus, LAYOUT_CPUS_MAX, "%s", text);
    return 0;
}

int scenario_read_layout(const struct draft *draft, const struct path *root,
                         json_t *object, struct layout *layout)
{
    struct path at = {root, "layout", 0};
    json_t *value = json_object_get(object, "layout");
    const char *text = json_string_value(value);
    layout->kind = LAYOUT_SPLIT;
    if (!value || (text && layout_kind_of(text, &layout->kind) == 0))
        return 0;
    if (!json_is_object(value))
        return refuse_value(&draft->source, &at,
                            "layout must be \"split\", \"shared\", "
                            "\"sharded\", \"free\" or "
                            "{\"server\": CPUS, \"generator\": CPUS}");
    layout->kind = LAYOUT_EXPLICIT;
    int r = members_check(&draft->source, value, &at, layout_keys);
    if (r == 0)
        r = read_layout_cpus(draft, value, &at, "server", layout->server_cpus);
    if (r == 0)
        r = read_layout_cpus(draft, value, &at, "generator",
                             layout->generator_cpus);
    return r;
}

int scenario_read_space(const struct draft *draft, const struct path *root,
                        json_t *object, enum space *ret_space)
{
    struct path at = {root, "namespace", 0};
    const char *text = "auto";
    int r = member_text(&draft->source, object, root, "namespace", &text);
    if (r == 0 && space_parse(text, ret_space) < 0)
        r = refuse_value(&draft->source, &at,
                         "namespace must be auto, private or host");
    return r;
}
