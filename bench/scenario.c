#include "bench/scenario.h"

#include "bench/position.h"
#include "servers/cli/cpuset.h"
#include "servers/cli/nearest.h"
#include "servers/wire/service.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 40
#define OPTION_STRUCT_MAX 1024 /* greater than any struct of options */

struct reader {
    const char *file;
    const char *text;
    size_t length;
    const struct scenario_words *words;
    struct scenario_error *error;
    bool is_sharded;
};

/* One table of options inside a scenario, and what may not be set there. */
struct option_words {
    const struct option_table *table;
    const char *const *reserved; /* decided by the bench */
    const char *const *sharded;  /* and by a sharded layout */
    const char *const *own;      /* keys of the object that are no options */
};

static const char *const server_reserved[] = {
    "model",       "listen",  "service", "cpus",    "ready-fd", "list", "json",
    "counters-fd", "verbose", "help",    "version", "trace",    NULL};
static const char *const load_reserved[] = {
    "service", "cpus", "seed",    "output",       "json",        "quiet",
    "label",   "help", "version", "server-trace", "json-stream", NULL};
/* What a sharded layout is made of. */
static const char *const server_sharded[] = {"workers", "steer", NULL};
static const char *const load_sharded[] = {"threads", NULL};
static const char *const load_own[] = {"name",           "title", "transport",
                                       "server_options", "trace", NULL};
static const char *const server_keys[] = {"name",      "model",  "command",
                                          "transport", "family", "service",
                                          "options",   NULL};
static const char *const scenario_keys[] = {
    "title",     "description", "reading", "seed",  "repetitions", "layout",
    "namespace", "servers",     "loads",   "sweep", NULL};
static const char *const layout_keys[] = {"server", "generator", NULL};

static int fail_at(const struct reader *reader, struct position position,
                   const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static int fail_at(const struct reader *reader, struct position position,
                   const char *format, va_list arguments)
{
    char *out = reader->error->text;
    size_t size = sizeof reader->error->text;
    int n = snprintf(out, size, "%s:%u:%u: ", reader->file, position.line,
                     position.column);
    if (n > 0 && (size_t)n < size)
        vsnprintf(out + n, size - (size_t)n, format, arguments);
    return -EINVAL;
}

static int fail_value(const struct reader *reader, const struct path *path,
                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail_key(const struct reader *reader, const struct path *path,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail_value(const struct reader *reader, const struct path *path,
                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int r = fail_at(reader,
                    position_find(reader->text, reader->length, path, false),
                    format, arguments);
    va_end(arguments);
    return r;
}

static int fail_key(const struct reader *reader, const struct path *path,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int r =
        fail_at(reader, position_find(reader->text, reader->length, path, true),
                format, arguments);
    va_end(arguments);
    return r;
}

static bool is_one_of(const char *word, const char *const *names)
{
    for (; names && *names; names++) {
        if (strcmp(word, *names) == 0)
            return true;
    }
    return false;
}

static int unknown_key(const struct reader *reader, const struct path *path,
                       const char *near)
{
    return fail_key(reader, path, "unknown key '%s'%s%s%s", path->key,
                    near ? " (did you mean '" : "", near ? near : "",
                    near ? "'?)" : "");
}

/* Every key of object must be one of names. */
static int check_keys(const struct reader *reader, json_t *object,
                      const struct path *path, const char *const *names)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        struct path at = {path, key, 0};
        if (!is_one_of(key, names))
            return unknown_key(reader, &at, nearest_name(key, names));
    }
    return 0;
}

/* An optional string; *ret keeps its value where it is absent. */
static int read_text(const struct reader *reader, json_t *object,
                     const struct path *path, const char *key,
                     const char **ret_text)
{
    struct path at = {path, key, 0};
    json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_string(value))
        return fail_value(reader, &at, "%s must be a text", key);
    if (strlen(json_string_value(value)) > 2000)
        return fail_value(reader, &at, "%s is too long", key);
    *ret_text = json_string_value(value);
    return 0;
}

/* Names become parts of a cell's key, which --only matches as a glob. */
static int read_name(const struct reader *reader, json_t *object,
                     const struct path *path, const char **ret_name)
{
    struct path at = {path, "name", 0};
    int r = read_text(reader, object, path, "name", ret_name);
    if (r < 0 || !*ret_name)
        return r;
    size_t length = strlen(*ret_name);
    if (length == 0 || length > NAME_MAX_BYTES ||
        strspn(*ret_name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789._+-") != length)
        return fail_value(reader, &at,
                          "a name is 1 to %d letters, digits or . _ + -",
                          NAME_MAX_BYTES);
    return 0;
}

static int read_number(const struct reader *reader, json_t *object,
                       const struct path *path, const char *key, uint64_t min,
                       uint64_t max, uint64_t *ret_number)
{
    struct path at = {path, key, 0};
    json_t *value = json_object_get(object, key);
    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) < min ||
        (uint64_t)json_integer_value(value) > max)
        return fail_value(reader, &at,
                          "%s must be a number from %" PRIu64 " to %" PRIu64,
                          key, min, max);
    *ret_number = (uint64_t)json_integer_value(value);
    return 0;
}

/* A container under key with 1 to max entries; *ret is NULL where absent. */
static int read_container(const struct reader *reader, json_t *object,
                          const struct path *path, const char *key, bool list,
                          size_t max, json_t **ret)
{
    struct path at = {path, key, 0};
    json_t *value = json_object_get(object, key);
    *ret = NULL;
    if (!value)
        return 0;
    if (list ? !json_is_array(value) : !json_is_object(value))
        return fail_value(reader, &at, "%s must be %s", key,
                          list ? "a list" : "an object");
    size_t count = list ? json_array_size(value) : json_object_size(value);
    if (list && count == 0)
        return fail_value(reader, &at, "%s is empty", key);
    if (count > max)
        return fail_value(reader, &at, "%s has more than %zu entries", key,
                          max);
    *ret = value;
    return 0;
}

static int read_transport(const struct reader *reader, json_t *object,
                          const struct path *path, enum transport *ret)
{
    struct path at = {path, "transport", 0};
    const char *text = NULL;
    int r = read_text(reader, object, path, "transport", &text);
    if (r < 0 || !text)
        return r;
    if (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0)
        return fail_value(reader, &at, "transport must be tcp or udp");
    *ret = strcmp(text, "tcp") == 0 ? TRANSPORT_TCP : TRANSPORT_UDP;
    return 0;
}

/* The text that the command line would have; NULL for what has none. */
static char *text_of(const json_t *value)
{
    char number[64];
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_boolean(value))
        return strdup(json_is_true(value) ? "on" : "off");
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT,
                 json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.15g", json_real_value(value));
    else
        return NULL;
    return strdup(number);
}

/* One value of one option, checked as the command line would. */
static int read_value(const struct reader *reader, const struct path *path,
                      const struct option_table *table, const char *name,
                      const json_t *value, char **ret_text)
{
    _Alignas(16) char config[OPTION_STRUCT_MAX] = {0};
    struct option_error error;
    char *text = text_of(value);
    if (!text)
        return fail_value(reader, path,
                          "%s must be a text, a number, true or false", name);
    if (options_set(table, name, text, config, &error) < 0) {
        free(text);
        return fail_value(reader, path, "%s", error.text);
    }
    *ret_text = text;
    return 0;
}

static int check_option(const struct reader *reader, const struct path *at,
                        const struct option_words *words)
{
    if (is_one_of(at->key, words->reserved))
        return fail_key(reader, at, "'%s' is decided by the bench", at->key);
    if (reader->is_sharded && is_one_of(at->key, words->sharded))
        return fail_key(reader, at, "'%s' is decided by the sharded layout",
                        at->key);
    if (options_find(words->table, at->key))
        return 0;
    const char *near = words->own ? nearest_name(at->key, words->own) : NULL;
    return unknown_key(reader, at,
                       near ? near : options_nearest(words->table, at->key));
}

/* The options among the keys of object. */
static int read_settings(const struct reader *reader, json_t *object,
                         const struct path *path,
                         const struct option_words *words,
                         struct settings *ret_settings)
{
    const char *key;
    json_t *value;
    ret_settings->list =
        calloc(json_object_size(object) + 1, sizeof *ret_settings->list);
    if (!ret_settings->list)
        return -ENOMEM;
    json_object_foreach(object, key, value)
    {
        struct path at = {path, key, 0};
        struct setting *setting = &ret_settings->list[ret_settings->count];
        if (is_one_of(key, words->own))
            continue;
        int r = check_option(reader, &at, words);
        if (r == 0)
            r = read_value(reader, &at, words->table, key, value,
                           &setting->text);
        if (r < 0)
            return r;
        setting->name = key;
        ret_settings->count++;
    }
    return 0;
}

static int read_server_options(const struct reader *reader, json_t *object,
                               const struct path *path, const char *key,
                               struct settings *ret_settings)
{
    json_t *options;
    struct path at = {path, key, 0};
    struct option_words words = {reader->words->server_table, server_reserved,
                                 server_sharded, NULL};
    int r = read_container(reader, object, path, key, false, 64, &options);
    if (r < 0 || !options)
        return r;
    return read_settings(reader, options, &at, &words, ret_settings);
}

static int read_command(const struct reader *reader, json_t *object,
                        const struct path *path, const char ***ret_command)
{
    json_t *list;
    struct path at = {path, "command", 0};
    int r = read_container(reader, object, path, "command", true, 64, &list);
    if (r < 0 || !list)
        return r;
    size_t count = json_array_size(list);
    const char **command = calloc(count + 1, sizeof *command);
    if (!command)
        return -ENOMEM;
    *ret_command = command;
    bool reached = false;
    for (size_t i = 0; i < count; i++) {
        struct path word = {&at, NULL, i};
        command[i] = json_string_value(json_array_get(list, i));
        if (!command[i])
            return fail_value(reader, &word, "a command is a list of texts");
        reached = reached || strstr(command[i], "{port}") ||
                  strstr(command[i], "{address}");
    }
    if (!reached)
        return fail_value(reader, &at,
                          "the command is told no {port} and no {address}");
    return 0;
}

static int check_model(const struct reader *reader, const struct path *path,
                       struct scenario_server *server)
{
    struct path at = {path, "model", 0};
    bool tcp = server->transport == TRANSPORT_TCP;
    const char *const *names =
        tcp ? reader->words->stream_models : reader->words->datagram_models;
    server->is_steered =
        is_one_of(server->model, tcp ? reader->words->steered_streams
                                     : reader->words->steered_datagrams);
    if (!names || is_one_of(server->model, names))
        return 0;
    const char *near = nearest_name(server->model, names);
    return fail_value(reader, &at, "no model '%s' on %s%s%s%s", server->model,
                      transport_name(server->transport),
                      near ? " (did you mean '" : "", near ? near : "",
                      near ? "'?)" : "");
}

/* What a server's row says beside its name, model and command. */
static int read_server_kind(const struct reader *reader, json_t *object,
                            const struct path *path,
                            struct scenario_server *server)
{
    struct path service = {path, "service", 0};
    struct path family = {path, "family", 0};
    const char *family_text = "ipv4";
    server->transport = TRANSPORT_TCP;
    int r = read_transport(reader, object, path, &server->transport);
    if (r < 0)
        return r;
    server->service = server->transport == TRANSPORT_TCP ? "echo" : "upper";
    r = read_text(reader, object, path, "service", &server->service);
    if (r == 0 && !service_find(server->service))
        r = fail_value(reader, &service, "no service '%s'", server->service);
    if (r == 0)
        r = read_text(reader, object, path, "family", &family_text);
    server->ipv6 = strcmp(family_text, "ipv6") == 0;
    if (r == 0 && !server->ipv6 && strcmp(family_text, "ipv4") != 0)
        r = fail_value(reader, &family, "family must be ipv4 or ipv6");
    return r;
}

static int read_server(const struct reader *reader, json_t *object,
                       const struct path *path, struct scenario_server *server)
{
    struct path options = {path, "options", 0};
    if (!json_is_object(object))
        return fail_value(reader, path, "a server is an object");
    int r = check_keys(reader, object, path, server_keys);
    if (r == 0)
        r = read_name(reader, object, path, &server->name);
    if (r == 0)
        r = read_text(reader, object, path, "model", &server->model);
    if (r == 0)
        r = read_command(reader, object, path, &server->command);
    if (r == 0)
        r = read_server_kind(reader, object, path, server);
    if (r < 0)
        return r;
    if (!server->model == !server->command)
        return fail_value(reader, path, "a server has a model or a command");
    if (server->command && json_object_get(object, "options"))
        return fail_key(reader, &options, "a command takes no options");
    if (server->command && !server->name)
        return fail_value(reader, path, "a command needs a name");
    if (!server->name)
        server->name = server->model;
    if (server->model)
        r = check_model(reader, path, server);
    return r < 0 ? r
                 : read_server_options(reader, object, path, "options",
                                       &server->options);
}

static bool is_same_server(const struct scenario_server *a,
                           const struct scenario_server *b)
{
    return a->transport == b->transport && a->ipv6 == b->ipv6 &&
           strcmp(a->name, b->name) == 0 && strcmp(a->service, b->service) == 0;
}

static int read_servers(const struct reader *reader, const struct path *root,
                        struct scenario *scenario)
{
    json_t *list;
    struct path at = {root, "servers", 0};
    int r = read_container(reader, scenario->json, root, "servers", true,
                           SCENARIO_ROWS_MAX, &list);
    if (r < 0)
        return r;
    if (!list)
        return fail_value(reader, root, "no servers");
    scenario->servers =
        calloc(json_array_size(list), sizeof *scenario->servers);
    if (!scenario->servers)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct path row = {&at, NULL, i};
        struct scenario_server *server = &scenario->servers[i];
        scenario->server_count++;
        r = read_server(reader, json_array_get(list, i), &row, server);
        if (r < 0)
            return r;
        assert(server->name && server->service);
        for (size_t k = 0; k < i; k++) {
            if (is_same_server(&scenario->servers[k], server))
                return fail_value(reader, &row,
                                  "a second server '%s': give it a name",
                                  server->name);
        }
    }
    return 0;
}

static int read_trace(const struct reader *reader, json_t *object,
                      const struct path *path, bool *ret_trace)
{
    const json_t *value = json_object_get(object, "trace");
    struct path at = {path, "trace", 0};
    if (value && !json_is_boolean(value))
        return fail_value(reader, &at, "'trace' is true or false");
    *ret_trace = json_is_true(value);
    return 0;
}

static int read_load(const struct reader *reader, json_t *object,
                     const struct path *path, struct scenario_load *load)
{
    struct option_words words = {reader->words->load_table, load_reserved,
                                 load_sharded, load_own};
    if (!json_is_object(object))
        return fail_value(reader, path, "a load is an object");
    int r = read_name(reader, object, path, &load->name);
    if (r == 0 && !load->name)
        r = fail_value(reader, path, "a load needs a name");
    if (r == 0)
        r = read_text(reader, object, path, "title", &load->title);
    if (r == 0)
        r = read_transport(reader, object, path, &load->transport);
    if (r == 0)
        r = read_trace(reader, object, path, &load->trace);
    if (r == 0)
        r = read_settings(reader, object, path, &words, &load->options);
    if (r == 0)
        r = read_server_options(reader, object, path, "server_options",
                                &load->server_options);
    struct path requests = {path, "requests", 0};
    if (r == 0 && settings_get(&load->options, "requests") &&
        settings_get(&load->options, "duration"))
        r = fail_key(reader, &requests,
                     "a load has a duration or a number of requests");
    return r;
}

static int read_loads(const struct reader *reader, const struct path *root,
                      struct scenario *scenario)
{
    json_t *list;
    struct path at = {root, "loads", 0};
    int r = read_container(reader, scenario->json, root, "loads", true,
                           SCENARIO_ROWS_MAX, &list);
    if (r < 0)
        return r;
    if (!list)
        return fail_value(reader, root, "no loads");
    scenario->loads = calloc(json_array_size(list), sizeof *scenario->loads);
    if (!scenario->loads)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct path row = {&at, NULL, i};
        struct scenario_load *load = &scenario->loads[i];
        scenario->load_count++;
        r = read_load(reader, json_array_get(list, i), &row, load);
        if (r < 0)
            return r;
        assert(load->name);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(scenario->loads[k].name, load->name) == 0)
                return fail_value(reader, &row, "a second load '%s'",
                                  load->name);
        }
    }
    return 0;
}

static int read_sweep(const struct reader *reader, json_t *object,
                      const struct path *path, const char *name,
                      struct sweep *sweep)
{
    json_t *list;
    struct path at = {path, name, 0};
    int r = read_container(reader, object, path, name, true, SCENARIO_ROWS_MAX,
                           &list);
    if (r < 0)
        return r;
    sweep->name = name;
    sweep->texts = calloc(json_array_size(list), sizeof *sweep->texts);
    if (!sweep->texts)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct path value = {&at, NULL, i};
        r = read_value(reader, &value, reader->words->load_table, name,
                       json_array_get(list, i), &sweep->texts[i]);
        if (r < 0)
            return r;
        sweep->count++;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(sweep->texts[k], sweep->texts[i]) == 0)
                return fail_value(reader, &value, "'%s' stands here twice",
                                  sweep->texts[i]);
        }
    }
    return 0;
}

static int read_sweeps(const struct reader *reader, const struct path *root,
                       struct scenario *scenario)
{
    json_t *object;
    json_t *value;
    const char *name;
    struct path at = {root, "sweep", 0};
    struct option_words words = {reader->words->load_table, load_reserved,
                                 load_sharded, NULL};
    int r = read_container(reader, scenario->json, root, "sweep", false,
                           SCENARIO_SWEEPS_MAX, &object);
    if (r < 0 || !object)
        return r;
    scenario->sweeps = calloc(SCENARIO_SWEEPS_MAX, sizeof *scenario->sweeps);
    if (!scenario->sweeps)
        return -ENOMEM;
    json_object_foreach(object, name, value)
    {
        struct path key = {&at, name, 0};
        r = check_option(reader, &key, &words);
        if (r < 0)
            return r;
        struct sweep *sweep = &scenario->sweeps[scenario->sweep_count++];
        r = read_sweep(reader, object, &at, name, sweep);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_layout_cpus(const struct reader *reader, json_t *object,
                            const struct path *path, const char *key,
                            char cpus[static LAYOUT_CPUS_MAX])
{
    struct path at = {path, key, 0};
    const char *text = NULL;
    cpu_set_t set;
    int r = read_text(reader, object, path, key, &text);
    if (r < 0)
        return r;
    if (!text || strlen(text) >= LAYOUT_CPUS_MAX ||
        cpuset_parse(text, &set) < 0)
        return fail_value(reader, &at,
                          "%s must be a list of CPUs such as \"0,2-3\"", key);
    snprintf(cpus, LAYOUT_CPUS_MAX, "%s", text);
    return 0;
}

static int read_layout(const struct reader *reader, const struct path *root,
                       json_t *object, struct layout *layout)
{
    struct path at = {root, "layout", 0};
    json_t *value = json_object_get(object, "layout");
    const char *text = json_string_value(value);
    layout->kind = LAYOUT_SPLIT;
    if (!value || (text && layout_kind_of(text, &layout->kind) == 0))
        return 0;
    if (!json_is_object(value))
        return fail_value(reader, &at,
                          "layout must be \"split\", \"shared\", "
                          "\"sharded\", \"free\" or "
                          "{\"server\": CPUS, \"generator\": CPUS}");
    layout->kind = LAYOUT_EXPLICIT;
    int r = check_keys(reader, value, &at, layout_keys);
    if (r == 0)
        r = read_layout_cpus(reader, value, &at, "server", layout->server_cpus);
    if (r == 0)
        r = read_layout_cpus(reader, value, &at, "generator",
                             layout->generator_cpus);
    return r;
}

int space_parse(const char *text, enum space *ret_space)
{
    static const char *const names[] = {"auto", "private", "host"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *ret_space = (enum space)i;
        return 0;
    }
    return -EINVAL;
}

static int read_space(const struct reader *reader, const struct path *root,
                      json_t *object, enum space *ret_space)
{
    struct path at = {root, "namespace", 0};
    const char *text = "auto";
    int r = read_text(reader, object, root, "namespace", &text);
    if (r == 0 && space_parse(text, ret_space) < 0)
        r = fail_value(reader, &at, "namespace must be auto, private or host");
    return r;
}

static int check_size(const struct reader *reader, const struct path *root,
                      const struct scenario *scenario)
{
    struct path at = {root, scenario->sweep_count ? "sweep" : "servers", 0};
    size_t cells = scenario->server_count * scenario->load_count;
    for (size_t i = 0; i < scenario->sweep_count; i++)
        cells *= scenario->sweeps[i].count;
    if (cells > SCENARIO_CELLS_MAX)
        return fail_value(reader, &at, "%zu cells are too many (at most %d)",
                          cells, SCENARIO_CELLS_MAX);
    return 0;
}

static int read_scenario(struct reader *reader, struct scenario *scenario)
{
    struct path root = {NULL, NULL, 0};
    json_t *object = scenario->json;
    uint64_t repetitions = 1;
    scenario->seed = 1;
    if (!json_is_object(object))
        return fail_value(reader, &root, "a scenario is an object");
    int r = check_keys(reader, object, &root, scenario_keys);
    if (r == 0)
        r = read_text(reader, object, &root, "title", &scenario->title);
    if (r == 0)
        r = read_text(reader, object, &root, "description",
                      &scenario->description);
    if (r == 0)
        r = read_text(reader, object, &root, "reading", &scenario->reading);
    if (r == 0)
        r = read_number(reader, object, &root, "seed", 0, INT64_MAX,
                        &scenario->seed);
    if (r == 0)
        r = read_number(reader, object, &root, "repetitions", 1,
                        SCENARIO_REPETITIONS_MAX, &repetitions);
    scenario->repetitions = (unsigned)repetitions;
    if (r == 0)
        r = read_layout(reader, &root, object, &scenario->layout);
    reader->is_sharded = scenario->layout.kind == LAYOUT_SHARDED;
    if (r == 0)
        r = read_space(reader, &root, object, &scenario->space);
    if (r == 0)
        r = read_servers(reader, &root, scenario);
    if (r == 0)
        r = read_loads(reader, &root, scenario);
    if (r == 0)
        r = read_sweeps(reader, &root, scenario);
    return r < 0 ? r : check_size(reader, &root, scenario);
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
    struct reader reader = {file, text, length, words, error, false};
    json_error_t why;
    scenario.json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
    if (!scenario.json)
        return fail_syntax(file, &why, error);
    error->text[0] = '\0';
    int r = split_path(file, &scenario);
    if (r == 0)
        r = read_scenario(&reader, &scenario);
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

static void settings_done(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        free(settings->list[i].text);
    free(settings->list);
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

const char *settings_get(const struct settings *settings, const char *name)
{
    const char *text = NULL;
    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->list[i].name, name) == 0)
            text = settings->list[i].text;
    }
    return text;
}

const char *transport_name(enum transport transport)
{
    return transport == TRANSPORT_UDP ? "udp" : "tcp";
}
