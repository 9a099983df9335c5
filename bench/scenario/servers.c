/* The rows of "servers", and the options that a server may be given. */
#include "bench/scenario/parts.h"

#include "bench/words.h"
#include "servers/cli/nearest.h"
#include "servers/wire/service.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const server_reserved[] = {
    "model",       "listen",  "service", "cpus",    "ready-fd", "list", "json",
    "counters-fd", "verbose", "help",    "version", "trace",    NULL};
/* What a sharded layout is made of. */
static const char *const server_sharded[] = {"workers", "steer", NULL};
static const char *const server_keys[] = {"name",      "model",  "command",
                                          "transport", "family", "service",
                                          "options",   NULL};

int scenario_read_server_options(const struct draft *draft, json_t *object,
                                 const struct path *path, const char *key,
                                 struct settings *ret_settings)
{
    json_t *options;
    struct path at = {path, key, 0};
    struct option_words words = {draft->words->server_table, server_reserved,
                                 draft->is_sharded ? server_sharded : NULL,
                                 NULL};
    int r = member_container(&draft->source, object, path, key, false, 64,
                             &options);
    if (r < 0 || !options)
        return r;
    return settings_read(&draft->source, options, &at, &words, ret_settings);
}

static int read_command(const struct draft *draft, json_t *object,
                        const struct path *path, const char ***ret_command)
{
    json_t *list;
    struct path at = {path, "command", 0};
    int r = member_container(&draft->source, object, path, "command", true, 64,
                             &list);
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
            return refuse_value(&draft->source, &word,
                                "a command is a list of texts");
        reached = reached || strstr(command[i], "{port}") ||
                  strstr(command[i], "{address}");
    }
    if (!reached)
        return refuse_value(&draft->source, &at,
                            "the command is told no {port} and no {address}");
    return 0;
}

static int check_model(const struct draft *draft, const struct path *path,
                       struct scenario_server *server)
{
    struct path at = {path, "model", 0};
    bool tcp = server->transport == TRANSPORT_TCP;
    const char *const *names =
        tcp ? draft->words->stream_models : draft->words->datagram_models;
    const unsigned *meet =
        tcp ? draft->words->streams_meet : draft->words->datagrams_meet;
    server->meets = ~0u; /* what is not known is for the server to refuse */
    for (size_t i = 0; names && names[i]; i++) {
        if (strcmp(server->model, names[i]) != 0)
            continue;
        server->meets = meet[i];
        return 0;
    }
    if (!names)
        return 0;
    const char *near = nearest_name(server->model, names);
    return refuse_value(&draft->source, &at, "no model '%s' on %s%s%s%s",
                        server->model, transport_name(server->transport),
                        near ? " (did you mean '" : "", near ? near : "",
                        near ? "'?)" : "");
}

/* What a server's row says beside its name, model and command. */
static int read_server_kind(const struct draft *draft, json_t *object,
                            const struct path *path,
                            struct scenario_server *server)
{
    struct path service = {path, "service", 0};
    struct path family = {path, "family", 0};
    const char *family_text = "ipv4";
    server->transport = TRANSPORT_TCP;
    int r = scenario_read_transport(draft, object, path, &server->transport);
    if (r < 0)
        return r;
    server->service = server->transport == TRANSPORT_TCP ? "echo" : "upper";
    r = member_text(&draft->source, object, path, "service", &server->service);
    if (r == 0 && !service_find(server->service))
        r = refuse_value(&draft->source, &service, "no service '%s'",
                         server->service);
    if (r == 0)
        r = member_text(&draft->source, object, path, "family", &family_text);
    server->ipv6 = strcmp(family_text, "ipv6") == 0;
    if (r == 0 && !server->ipv6 && strcmp(family_text, "ipv4") != 0)
        r = refuse_value(&draft->source, &family,
                         "family must be ipv4 or ipv6");
    return r;
}

static int read_server(const struct draft *draft, json_t *object,
                       const struct path *path, struct scenario_server *server)
{
    struct path options = {path, "options", 0};
    if (!json_is_object(object))
        return refuse_value(&draft->source, path, "a server is an object");
    int r = members_check(&draft->source, object, path, server_keys);
    if (r == 0)
        r = scenario_read_name(draft, object, path, &server->name);
    if (r == 0)
        r = member_text(&draft->source, object, path, "model", &server->model);
    if (r == 0)
        r = read_command(draft, object, path, &server->command);
    if (r == 0)
        r = read_server_kind(draft, object, path, server);
    if (r < 0)
        return r;
    if (!server->model == !server->command)
        return refuse_value(&draft->source, path,
                            "a server has a model or a command");
    if (server->command && json_object_get(object, "options"))
        return refuse_key(&draft->source, &options,
                          "a command takes no options");
    if (server->command && !server->name)
        return refuse_value(&draft->source, path, "a command needs a name");
    if (!server->name)
        server->name = server->model;
    if (server->model)
        r = check_model(draft, path, server);
    return r < 0 ? r
                 : scenario_read_server_options(draft, object, path, "options",
                                                &server->options);
}

static bool is_same_server(const struct scenario_server *a,
                           const struct scenario_server *b)
{
    return a->transport == b->transport && a->ipv6 == b->ipv6 &&
           strcmp(a->name, b->name) == 0 && strcmp(a->service, b->service) == 0;
}

int scenario_read_servers(const struct draft *draft, const struct path *root,
                          struct scenario *scenario)
{
    json_t *list;
    struct path at = {root, "servers", 0};
    int r = member_container(&draft->source, scenario->json, root, "servers",
                             true, SCENARIO_ROWS_MAX, &list);
    if (r < 0)
        return r;
    if (!list)
        return refuse_value(&draft->source, root, "no servers");
    scenario->servers =
        calloc(json_array_size(list), sizeof *scenario->servers);
    if (!scenario->servers)
        return -ENOMEM;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct path row = {&at, NULL, i};
        struct scenario_server *server = &scenario->servers[i];
        scenario->server_count++;
        r = read_server(draft, json_array_get(list, i), &row, server);
        if (r < 0)
            return r;
        assert(server->name && server->service);
        for (size_t k = 0; k < i; k++) {
            if (is_same_server(&scenario->servers[k], server))
                return refuse_value(&draft->source, &row,
                                    "a second server '%s': give it a name",
                                    server->name);
        }
    }
    return 0;
}
