/* From the file to the struct: the whole, and what rows of all kinds have. */
#include "bench/scenario/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 40

static const char *const scenario_keys[] = {
    "title",     "description", "reading", "seed",  "repetitions", "layout",
    "namespace", "servers",     "loads",   "sweep", NULL};

int scenario_read_name(const struct draft *draft, json_t *object,
                       const struct path *path, const char **ret_name)
{
    struct path at = {path, "name", 0};
    int r = member_text(&draft->source, object, path, "name", ret_name);
    if (r < 0 || !*ret_name)
        return r;
    size_t length = strlen(*ret_name);
    if (length == 0 || length > NAME_MAX_BYTES ||
        strspn(*ret_name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789._+-") != length)
        return refuse_value(&draft->source, &at,
                            "a name is 1 to %d letters, digits or . _ + -",
                            NAME_MAX_BYTES);
    return 0;
}

int scenario_read_transport(const struct draft *draft, json_t *object,
                            const struct path *path, enum transport *ret)
{
    struct path at = {path, "transport", 0};
    const char *text = NULL;
    int r = member_text(&draft->source, object, path, "transport", &text);
    if (r < 0 || !text)
        return r;
    if (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0)
        return refuse_value(&draft->source, &at,
                            "transport must be tcp or udp");
    *ret = strcmp(text, "tcp") == 0 ? TRANSPORT_TCP : TRANSPORT_UDP;
    return 0;
}

static int check_size(const struct draft *draft, const struct path *root,
                      const struct scenario *scenario)
{
    struct path at = {root, scenario->sweep_count ? "sweep" : "servers", 0};
    size_t cells = scenario->server_count * scenario->load_count;
    for (size_t i = 0; i < scenario->sweep_count; i++)
        cells *= scenario->sweeps[i].count;
    if (cells > SCENARIO_CELLS_MAX)
        return refuse_value(&draft->source, &at,
                            "%zu cells are too many (at most %d)", cells,
                            SCENARIO_CELLS_MAX);
    return 0;
}

static int read_scenario(struct draft *draft, struct scenario *scenario)
{
    struct path root = {NULL, NULL, 0};
    json_t *object = scenario->json;
    uint64_t repetitions = 1;
    scenario->seed = 1;
    if (!json_is_object(object))
        return refuse_value(&draft->source, &root, "a scenario is an object");
    int r = members_check(&draft->source, object, &root, scenario_keys);
    if (r == 0)
        r = member_text(&draft->source, object, &root, "title",
                        &scenario->title);
    if (r == 0)
        r = member_text(&draft->source, object, &root, "description",
                        &scenario->description);
    if (r == 0)
        r = member_text(&draft->source, object, &root, "reading",
                        &scenario->reading);
    if (r == 0)
        r = member_number(&draft->source, object, &root, "seed", 0, INT64_MAX,
                          &scenario->seed);
    if (r == 0)
        r = member_number(&draft->source, object, &root, "repetitions", 1,
                          SCENARIO_REPETITIONS_MAX, &repetitions);
    scenario->repetitions = (unsigned)repetitions;
    if (r == 0)
        r = scenario_read_layout(draft, &root, object, &scenario->layout);
    draft->is_sharded = scenario->layout.kind == LAYOUT_SHARDED;
    if (r == 0)
        r = scenario_read_space(draft, &root, object, &scenario->space);
    if (r == 0)
        r = scenario_read_servers(draft, &root, scenario);
    if (r == 0)
        r = scenario_read_loads(draft, &root, scenario);
    if (r == 0)
        r = scenario_read_sweeps(draft, &root, scenario);
    return r < 0 ? r : check_size(draft, &root, scenario);
}

/* "a/b/quick.json" is the scenario quick in a/b. */
static int split_path(const char *file, struct scenario *scenario)
{
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    size_t length = strlen(base);
    if (length > 5 && strcmp(base + length - 5, ".json") == 0)
        length -= 5;
    scenario->name = strndup(base, length);
    scenario->directory =
        slash == file
            ? strdup("/")
            : (slash ? strndup(file, (size_t)(slash - file)) : strdup("."));
    return scenario->name && scenario->directory ? 0 : -ENOMEM;
}

static int fail_syntax(const char *file, const json_error_t *why,
                       struct scenario_error *error)
{
    if (why->line < 1)
        snprintf(error->text, sizeof error->text, "%s: %s", file, why->text);
    else
        snprintf(error->text, sizeof error->text, "%s:%d:%d: %s", file,
                 why->line, why->column < 1 ? 1 : why->column, why->text);
    return -EINVAL;
}

int scenario_parse(const char *file, const char *text, size_t length,
                   const struct scenario_words *words,
                   struct scenario *ret_scenario, struct scenario_error *error)
{
    struct scenario scenario = {0};
    struct draft draft = {
        .source = {file, text, length, error->text, sizeof error->text},
        .words = words};
    json_error_t why;
    scenario.json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (!scenario.json)
        return fail_syntax(file, &why, error);
    error->text[0] = '\0';
    int r = split_path(file, &scenario);
    if (r == 0)
        r = read_scenario(&draft, &scenario);
    if (r < 0) {
        if (error->text[0] == '\0')
            snprintf(error->text, sizeof error->text, "%s: %s", file,
                     strerror(-r));
        scenario_done(&scenario);
        return r;
    }
    *ret_scenario = scenario;
    return 0;
}

/* The whole file, at most SCENARIO_BYTES_MAX. */
static int read_file(const char *file, char **ret_text, size_t *ret_length)
{
    int r = 0;
    size_t used = 0;
    ssize_t n = 0;
    char *text = malloc(SCENARIO_BYTES_MAX + 1);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || !text) {
        r = fd < 0 ? -errno : -ENOMEM;
        goto out;
    }
    while (used <= SCENARIO_BYTES_MAX &&
           (n = read(fd, text + used, SCENARIO_BYTES_MAX + 1 - used)) > 0)
        used += (size_t)n;
    if (n < 0)
        r = -errno;
    else if (used > SCENARIO_BYTES_MAX)
        r = -EFBIG;
out:
    if (fd >= 0)
        close(fd);
    if (r < 0) {
        free(text);
        return r;
    }
    *ret_text = text;
    *ret_length = used;
    return 0;
}

int scenario_read(const char *file, const struct scenario_words *words,
                  struct scenario *ret_scenario, struct scenario_error *error)
{
    char *text;
    size_t length;
    int r = read_file(file, &text, &length);
    if (r < 0) {
        snprintf(error->text, sizeof error->text, "%s: %s", file, strerror(-r));
        return r;
    }
    r = scenario_parse(file, text, length, words, ret_scenario, error);
    free(text);
    return r;
}

void scenario_done(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->server_count; i++) {
        free(scenario->servers[i].command);
        settings_done(&scenario->servers[i].options);
    }
    for (size_t i = 0; i < scenario->load_count; i++) {
        settings_done(&scenario->loads[i].options);
        settings_done(&scenario->loads[i].server_options);
    }
    for (size_t i = 0; i < scenario->sweep_count; i++) {
        for (size_t k = 0; k < scenario->sweeps[i].count; k++)
            free(scenario->sweeps[i].texts[k]);
        free(scenario->sweeps[i].texts);
    }
    free(scenario->servers);
    free(scenario->loads);
    free(scenario->sweeps);
    free(scenario->name);
    free(scenario->directory);
    json_decref(scenario->json);
    memset(scenario, 0, sizeof *scenario);
}

const char *transport_name(enum transport transport)
{
    return transport == TRANSPORT_UDP ? "udp" : "tcp";
}
