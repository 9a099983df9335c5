#include "bench/find/target.h"

#include "bench/find/layout.h"
#include "loadgen/sizes.h"
#include "servers/cli/log.h"
#include "servers/cli/nearest.h"
#include "servers/wire/address.h"
#include "servers/wire/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OPTION_STRUCT_MAX 1024 /* the largest struct that a table fills */

/* Decided by the search, beside the options that it has itself. */
static const char *const server_reserved[] = {
    "ready-fd", "json", "counters-fd", "list", "verbose", "version", NULL};
static const char *const load_reserved[] = {"json",
                                            "json-stream",
                                            "quiet",
                                            "label",
                                            "version",
                                            "rate",
                                            "duration",
                                            "requests",
                                            "pipeline",
                                            "rate-per-conn",
                                            "reconnect-every",
                                            "hlog",
                                            "hgrm",
                                            NULL};

static int fail(struct target_error *error, int exit_code, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

static int fail(struct target_error *error, int exit_code, const char *format,
                ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->exit_code = exit_code;
    return -1;
}

static int split(const char *option, const char *text, struct words *ret_words,
                 struct target_error *error)
{
    int r = words_split(text, ret_words);
    if (r == 0)
        return 0;
    return fail(error, EXIT_USAGE, "--%s '%s': %s", option, text,
                r == -EINVAL  ? "a quote is not closed"
                : r == -E2BIG ? "too many words"
                              : strerror(-r));
}

/* "--name value", "--name=value" or "--flag" from word i on, as a setting. */
static int take_setting(struct words *words, size_t *i, const char *option,
                        const struct option_table *table,
                        const char *const *reserved,
                        struct setting *ret_setting, struct target_error *error)
{
    _Alignas(16) char config[OPTION_STRUCT_MAX] = {0};
    struct option_error wrong;
    static char on[] = "on";
    char *word = words->list[(*i)++];
    if (strncmp(word, "--", 2) != 0 || word[2] == '\0')
        return fail(error, EXIT_USAGE,
                    "--%s: '%s' is not of the form --name value", option, word);
    char *equals = strchr(word, '=');
    if (equals)
        *equals = '\0';
    const char *name = word + 2;
    const struct option_spec *spec = options_find(table, name);
    const char *near = options_nearest(table, name);
    if (spec && (options_find(find_option_table(), name) ||
                 word_is_one_of(name, reserved)))
        return fail(error, EXIT_USAGE,
                    "--%s: '%s' is decided by the search or its own options",
                    option, name);
    if (!spec)
        return fail(error, EXIT_USAGE, "--%s: unknown option '%s'%s%s%s",
                    option, name, near ? " (did you mean '" : "",
                    near ? near : "", near ? "'?)" : "");
    char *value = equals                      ? equals + 1
                  : spec->type == OPTION_FLAG ? on
                  : *i < words->count         ? words->list[(*i)++]
                                              : NULL;
    if (!value)
        return fail(error, EXIT_USAGE, "--%s: '%s' wants a value", option,
                    name);
    if (options_set(table, name, value, config, &wrong) < 0)
        return fail(error, EXIT_USAGE, "--%s: %s", option, wrong.text);
    *ret_setting = (struct setting){name, value};
    return 0;
}

/* Adds the settings that words hold. */
static int take_settings(struct words *words, const char *option,
                         const struct option_table *table,
                         const char *const *reserved, struct settings *settings,
                         struct target_error *error)
{
    for (size_t i = 0; i < words->count;) {
        if (settings->count == TARGET_SETTINGS_MAX)
            return fail(error, EXIT_USAGE, "--%s: too many options", option);
        if (take_setting(words, &i, option, table, reserved,
                         &settings->list[settings->count], error) < 0)
            return -1;
        settings->count++;
    }
    return 0;
}

/* A server that is started says its port itself, or is given a free one: where
 * on the loopback is all that there is to say. */
static int take_listen(struct target *target, const char *text,
                       struct target_error *error)
{
    const char *why = NULL;
    char formatted[ADDRESS_TEXT_MAX];
    struct address address;
    struct scenario_server *server = &target->server;
    if (address_parse(text, &address, &why) < 0)
        return fail(error, EXIT_USAGE, "--listen '%s': %s", text, why);
    address_format(&address, formatted);
    server->transport =
        address.socket_type == SOCK_STREAM ? TRANSPORT_TCP : TRANSPORT_UDP;
    server->ipv6 = address.u.any.sa_family == AF_INET6;
    char wanted[ADDRESS_TEXT_MAX];
    snprintf(wanted, sizeof wanted, "%s://%s:0",
             transport_name(server->transport),
             server->ipv6 ? "[::1]" : "127.0.0.1");
    if (strcmp(formatted, wanted) != 0)
        return fail(error, EXIT_USAGE,
                    "--listen '%s': a server that is started here listens on "
                    "127.0.0.1 or [::1], port 0 (a free one), tcp or udp",
                    text);
    return 0;
}

static int take_address(struct target *target, const char *text,
                        struct target_error *error)
{
    const char *why = NULL;
    struct address address;
    if (address_parse(text, &address, &why) < 0)
        return fail(error, EXIT_USAGE, "cannot load '%s': %s", text, why);
    target->address = text;
    target->name = text;
    target->server.transport =
        address.socket_type == SOCK_STREAM ? TRANSPORT_TCP : TRANSPORT_UDP;
    target->server.ipv6 = address.u.any.sa_family == AF_INET6;
    return 0;
}

static int take_model(struct target *target, const char *model,
                      const struct scenario_words *words,
                      struct target_error *error)
{
    bool tcp = target->server.transport == TRANSPORT_TCP;
    const char *const *names =
        tcp ? words->stream_models : words->datagram_models;
    const unsigned *meet = tcp ? words->streams_meet : words->datagrams_meet;
    target->server.model = model;
    target->server.meets = ~0u; /* what is not known is the server's to say */
    target->name = model;
    for (size_t i = 0; names && names[i]; i++) {
        if (strcmp(model, names[i]) != 0)
            continue;
        target->server.meets = meet[i];
        return 0;
    }
    if (!names)
        return 0;
    const char *near = nearest_name(model, names);
    return fail(error, EXIT_USAGE, "--model '%s': no such model on %s%s%s%s",
                model, transport_name(target->server.transport),
                near ? " (did you mean '" : "", near ? near : "",
                near ? "'?)" : "");
}

static int take_command(struct target *target, const char *text,
                        struct target_error *error)
{
    struct words *words = &target->command;
    bool reached = false;
    if (split("command", text, words, error) < 0)
        return -1;
    for (size_t i = 0; i < words->count; i++) {
        target->command_list[i] = words->list[i];
        reached = reached || strstr(words->list[i], "{port}") ||
                  strstr(words->list[i], "{address}");
    }
    if (!reached)
        return fail(error, EXIT_USAGE,
                    "--command '%s': it is told no {port} and no {address}",
                    text);
    const char *slash = strrchr(words->list[0], '/');
    target->name = slash ? slash + 1 : words->list[0];
    target->server.command = target->command_list;
    return 0;
}

/* Which server: one of three ways to say it. */
static int take_server(struct target *target,
                       const struct find_options *options, const char *address,
                       const struct scenario_words *words,
                       struct target_error *error)
{
    int ways = !!options->model + !!options->command + !!address;
    if (ways == 0)
        return fail(error, EXIT_USAGE,
                    "which server? --model NAME, --command WORDS, or the "
                    "address of one that runs");
    if (ways > 1)
        return fail(error, EXIT_USAGE,
                    "--model, --command and an address: one of the three");
    if (!options->model && options->server_options)
        return fail(error, EXIT_USAGE,
                    "--server-options: only a --model takes them");
    int r = address ? take_address(target, address, error)
                    : take_listen(target, options->listen, error);
    if (r == 0 && options->model)
        r = take_model(target, options->model, words, error);
    if (r == 0 && options->command)
        r = take_command(target, options->command, error);
    if (r < 0)
        return r;
    target->server.name = target->name;
    target->server.service =
        options->load.service
            ? options->load.service
            : service_default(target->server.transport == TRANSPORT_TCP
                                  ? SOCK_STREAM
                                  : SOCK_DGRAM)
                  ->name;
    if (!options->server_options)
        return 0;
    if (split("server-options", options->server_options, &target->server_words,
              error) < 0)
        return -1;
    if (take_settings(&target->server_words, "server-options",
                      words->server_table, server_reserved,
                      &target->server.options, error) < 0)
        return -1;
    char why[SERVER_FIT_TEXT_MAX];
    if (!server_fit(&target->server, &target->server.options, false, why))
        return fail(error, EXIT_USAGE, "--server-options: %s", why);
    return 0;
}

static char *next_number(struct target *target, const char *name)
{
    struct settings *settings = &target->load.options;
    char *text = target->numbers[settings->count];
    settings->list[settings->count++] = (struct setting){name, text};
    return text;
}

static void add_number(struct target *target, const char *name, uint64_t number,
                       const char *unit)
{
    snprintf(next_number(target, name), TARGET_NUMBER_MAX, "%" PRIu64 "%s",
             number, unit);
}

static int take_load(struct target *target, const struct find_options *options,
                     const struct scenario_words *words,
                     struct target_error *error)
{
    const struct load_options *load = &options->load;
    struct cell *cell = &target->cell;
    struct sizes sizes = {0};
    add_number(target, "connections", load->connections, "");
    /* In the sharded layout the bench gives a thread to each CPU. */
    if (target->layout.shards == 0)
        add_number(target, "threads", load->threads, "");
    snprintf(next_number(target, "size"), TARGET_NUMBER_MAX, "%s", load->size);
    (void)sizes_parse(load->size, &sizes); /* checked as an option */
    add_number(target, "duration", options->step_duration_ns, "ns");
    add_number(target, "warmup", load->warmup_ns, "ns");
    add_number(target, "timeout", load->timeout_ns, "ns");
    snprintf(next_number(target, "arrival"), TARGET_NUMBER_MAX, "%s",
             load->arrival);
    target->rate = next_number(target, "rate");
    cell->connections = load->connections;
    cell->size_bytes = (uint64_t)(sizes_mean(&sizes) + 0.5);
    cell->expected_ns = options->step_duration_ns + load->warmup_ns;
    if (!options->load_options)
        return 0;
    if (split("load-options", options->load_options, &target->load_words,
              error) < 0)
        return -1;
    return take_settings(&target->load_words, "load-options", words->load_table,
                         load_reserved, &target->load.options, error);
}

static int settle_layout(struct target *target,
                         const struct find_options *options,
                         struct target_error *error)
{
    char why[FIND_LAYOUT_WHY_MAX];
    int code = find_layout(options, !target->address, &target->layout, why);
    return code == EXIT_PASS ? 0 : fail(error, code, "%s", why);
}

static int take_space(struct target *target, const struct find_options *options,
                      struct target_error *error)
{
    enum space *space = &target->scenario.space;
    (void)space_parse(options->namespace, space); /* a choice */
    if (*space == SPACE_PRIVATE && target->address)
        return fail(error, EXIT_USAGE,
                    "--namespace private: for a server that is started here");
    return 0;
}

int target_init(struct target *target, const struct find_options *options,
                const char *address, const struct scenario_words *words,
                struct target_error *error)
{
    static char name[] = "find";
    static char here[] = ".";
    *target = (struct target){
        .scenario = {.name = name, .directory = here, .repetitions = 1}};
    target->server.options.list = target->server_settings;
    target->load.name = name;
    target->load.options.list = target->load_settings;
    target->cell.server = &target->server;
    target->cell.load = &target->load;
    snprintf(target->cell.key, sizeof target->cell.key, "find");
    if (take_server(target, options, address, words, error) < 0 ||
        take_space(target, options, error) < 0 ||
        settle_layout(target, options, error) < 0)
        return -1;
    return take_load(target, options, words, error);
}

void target_set_rate(struct target *target, double rate_per_s)
{
    target->cell.rate_per_s = rate_per_s;
    snprintf(target->rate, TARGET_NUMBER_MAX, "%.6f", rate_per_s);
}

void target_done(struct target *target)
{
    words_done(&target->command);
    words_done(&target->server_words);
    words_done(&target->load_words);
}
